// The page: draw, or fill in a form, and see what the model makes of it. page.json says which, and about whom.

import {load} from './loader.js';
import {pixels} from './pixels.js';

const at = (id) => document.getElementById(id);
const config = await (await fetch('page.json')).json();
const about = {drawing: 'Draw, and see what the model makes of it.', form: 'Fill in the inputs, and see what the model makes of them.'};
let model;

document.title = config.title;
at('title').textContent = config.title;
at('hint').textContent = config.hint ?? about[config.kind];
if ('serviceWorker' in navigator) navigator.serviceWorker.register('service-worker.js').catch(() => {});

try {
  try {
    model = await load({backend: 'wasm'});
  } catch {
    model = await load({backend: 'cpu'});
  }
  at('state').textContent = `Runs in this page, on ${model.backend}. Nothing leaves it.`;
  (config.kind === 'drawing' ? drawing : form)();
} catch (error) {
  failed(error);
  at('state').textContent = 'The model does not run here.';
}
document.body.dataset.ready = 'yes';

function drawing() {
  const canvas = at('canvas');
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const {side} = config;
  at('drawing').hidden = false;
  at('seen').width = at('seen').height = side;
  Object.assign(context, {lineWidth: canvas.width * config.brush, lineCap: 'round', lineJoin: 'round', strokeStyle: '#fff'});
  let last = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const stroke = (to) => {
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...to);
    context.stroke();
    last = to;
  };
  const look = latest(async () => {
    const ink = context.getImageData(0, 0, canvas.width, canvas.height);
    const seen = pixels(ink, config);
    show(seen, side);
    if (!seen) return {};
    const [low, high] = config.range;
    return model.predict({[config.input]: {data: seen.map((one) => low + one * (high - low)), shape: [1, ...config.shape]}});
  });
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(last);
    look();
  };
  canvas.onpointermove = (event) => {
    if (last === null) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) stroke(place(one));
    look();
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    last = null;
    look();
  };
  at('clear').onclick = () => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    look();
  };
}

function show(seen, side) {
  const image = new ImageData(side, side);
  for (let index = 0; index < side * side; index++) image.data.set([255, 255, 255, 255 * (seen?.[index] ?? 0)], 4 * index);
  at('seen').getContext('2d').putImageData(image, 0, 0);
}

function form() {
  const element = at('form');
  const fields = {};
  for (const [name, {dtype, shape}] of Object.entries(model.inputs)) {
    const label = Object.assign(document.createElement('label'), {textContent: `${name}: ${dtype} [${shape.map((one) => (one < 0 ? '?' : one)).join(', ')}]`});
    fields[name] = Object.assign(document.createElement('textarea'), {name, spellcheck: false, value: JSON.stringify(config.example?.[name] ?? [])});
    label.append(fields[name]);
    element.append(label);
  }
  element.append(Object.assign(document.createElement('button'), {textContent: 'Ask'}));
  element.hidden = false;
  const look = latest(() => model.predict(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, JSON.parse(field.value)]))));
  element.onsubmit = (event) => {
    event.preventDefault();
    look();
  };
  if (config.example) look();
}

/** Do the work and show what it gives; once more when it was asked for meanwhile. */
function latest(work) {
  let busy = false;
  let again = false;
  return async function look() {
    if (busy) return void (again = true);
    busy = true;
    document.body.dataset.busy = 'yes';
    try {
      answered(await work());
    } catch (error) {
      failed(error);
    }
    busy = false;
    if (again) look((again = false));
    else delete document.body.dataset.busy;
  };
}

function answered(outputs) {
  at('error').hidden = true;
  const scores = outputs[config.scores];
  at('numbers').hidden = Boolean(scores) || Object.keys(outputs).length === 0;
  at('numbers').textContent = Object.entries(outputs).map(([name, {data, shape}]) => `${name} [${shape}]\n${[...data].slice(0, 200).map((one) => +one.toFixed(5)).join(' ')}`).join('\n\n');
  at('bars').replaceChildren();
  at('top').textContent = '';
  delete document.body.dataset.top;
  if (!scores) return;
  const width = scores.shape.at(-1);
  const rows = Array.from({length: scores.data.length / width}, (_, index) => [...scores.data.slice(index * width, (index + 1) * width)]);
  const bests = rows.map((one) => one.indexOf(Math.max(...one)));
  const named = (index) => config.labels?.[index] ?? String(index);
  document.body.dataset.top = bests.map(named).join(' ');
  if (rows.length > 1) {
    at('numbers').hidden = false;
    at('numbers').textContent = rows.slice(0, 200).map((one, index) => `row ${index + 1}: ${named(bests[index])}  ${+one[bests[index]].toFixed(3)}`).join('\n');
    return;
  }
  const [[row], [best]] = [rows, bests];
  at('top').textContent = named(best);
  const shares = row.every((one) => one >= 0 && one <= 1);
  if (shares) at('top').append(Object.assign(document.createElement('small'), {textContent: percent(row[best])}));
  const ranked = row.map((score, index) => ({score, index}));
  const few = row.length <= 12 ? ranked : ranked.sort((one, other) => other.score - one.score).slice(0, 10);
  for (const {score, index} of few) {
    const line = document.createElement('li');
    const meter = Object.assign(document.createElement('meter'), {min: Math.min(0, ...row), max: shares ? 1 : Math.max(...row), value: score});
    line.classList.toggle('best', index === best);
    line.append(Object.assign(document.createElement('span'), {textContent: named(index)}), meter, Object.assign(document.createElement('span'), {textContent: shares ? percent(score) : score.toFixed(2)}));
    at('bars').append(line);
  }
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.9995 ? 1 : 0)} %`;
}

function failed(error) {
  at('error').hidden = false;
  at('error').textContent = error?.message ?? String(error);
}
