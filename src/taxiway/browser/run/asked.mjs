// What is done with an artefact in a page and in Node alike: load it, ask each batch, time it, count what is left over.

const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};

/** {"backend", "load_ms", "batches": [outputs], "us": of a request, "leaked": tensors}, or {"error"}. */
export async function asked(load, {batches, timed}, tf) {
  try {
    const began = performance.now();
    const model = await load();
    const loaded = performance.now();
    const answers = [];
    for (const batch of batches) answers.push(packed(await model.predict(unpacked(batch, model.inputs))));
    const engine = tf ?? globalThis.tf;
    const before = engine.memory().numTensors;
    const us = timed ? await least(model, unpacked(timed, model.inputs)) : null;
    const leaked = engine.memory().numTensors - before;
    const answer = {backend: model.backend, load_ms: loaded - began, batches: answers, us, leaked};
    model.dispose();
    return answer;
  } catch (error) {
    return {error: String(error?.message ?? error)};
  }
}

/** The least time of one request, in microseconds: of twenty, or of as many as fit into a second. */
async function least(model, batch) {
  const began = performance.now();
  let shortest = Infinity;
  for (let count = 0; count < 20 && (count < 2 || performance.now() - began < 1000); count++) {
    const start = performance.now();
    await model.predict(batch);
    shortest = Math.min(shortest, (performance.now() - start) * 1000);
  }
  return shortest;
}

function unpacked(batch, inputs) {
  const found = {};
  for (const [name, {data, shape}] of Object.entries(batch)) {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    found[name] = {data: new ARRAYS[inputs[name]?.dtype ?? 'float32'](bytes.buffer), shape};
  }
  return found;
}

function packed(outputs) {
  const found = {};
  for (const [name, {data, shape}] of Object.entries(outputs)) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let text = '';
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    found[name] = {data: btoa(text), shape, dtype: data.constructor.name.replace('Array', '').toLowerCase()};
  }
  return found;
}
