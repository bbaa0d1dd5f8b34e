// Asks an artefact in Node: node ask.mjs FOLDER PACKAGES < request.json > answer.json
// The request: {"backend": "cpu", "batches": [{input: {"data": base64, "shape": […]}}], "timed": one such batch or null}.

import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [folder, packages] = process.argv.slice(2);
const require = createRequire(join(packages, 'package.json'));
const {asked} = await import('./asked.mjs');
const loader = await import(pathToFileURL(join(folder, 'loader.js')).href);

// console.log is what TensorFlow.js says of other builds of itself; standard output is for the answer.
console.log = console.warn = () => {};
const tf = {...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-converter')};
require('@tensorflow/tfjs-backend-cpu');

const files = {
  model: async () => JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')),
  weights: async (names) => loader.joined(await Promise.all(names.map((name) => readFile(join(folder, name))))),
};
let text = '';
for await (const part of process.stdin) text += part;
const request = JSON.parse(text);
const answer = await asked(() => loader.load({tf, files, backend: request.backend}), request, tf);
process.stdout.write(JSON.stringify(answer));
