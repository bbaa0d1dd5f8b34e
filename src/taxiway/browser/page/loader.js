// Loads this folder's model and asks it. In a page nothing else is needed; elsewhere hand over `tf`, and the files.
// loader.d.ts says what goes in and what comes out.

const HERE = new URL('.', import.meta.url);
const SCRIPTS = ['tf-core.min.js', 'tf-converter.min.js', 'tf-backend-cpu.min.js', 'tf-backend-wasm.min.js'];
const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};
const DTYPES = {DT_FLOAT: 'float32', DT_INT32: 'int32', DT_BOOL: 'bool'};

/** Load the model; see loader.d.ts. */
export async function load({tf, backend = 'wasm', files = fetched(HERE)} = {}) {
  tf ??= await scripts();
  await start(tf, backend);
  const document = await files.model();
  const weights = await files.weights(document.weightsManifest[0].paths);
  checkWeights(document, weights);
  const {weightsManifest, ...artifacts} = document;
  const graph = await tf.loadGraphModel({
    load: async () => ({...artifacts, weightSpecs: weightsManifest[0].weights, weightData: weights}),
  });
  return new Model(tf, graph, document);
}

/** The files of a folder on the web: what `load` reads when it is not told. */
export function fetched(base) {
  const get = async (name) => {
    const answer = await fetch(new URL(name, base));
    if (!answer.ok) throw new Error(`${name} is not there: ${answer.status}`);
    return answer;
  };
  return {
    model: async () => (await get('model.json')).json(),
    weights: async (names) => joined(await Promise.all(names.map(async (name) => (await get(name)).arrayBuffer()))),
  };
}

/** Parts of the weights as one. */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return whole.buffer;
}

class Model {
  #tf;
  #graph;
  #stepwise;

  constructor(tf, graph, document) {
    this.#tf = tf;
    this.#graph = graph;
    this.#stepwise = document.userDefinedMetadata?.taxiway?.stepwise ?? false;
    this.backend = tf.getBackend();
    this.inputs = described(document.signature.inputs);
    this.outputs = described(document.signature.outputs);
  }

  async predict(inputs) {
    const tensors = {};
    const given = [];
    try {
      for (const [name, spec] of Object.entries(this.inputs)) {
        if (!(name in inputs)) throw new Error(`the input ${name} is missing: ${spec.dtype} [${spec.shape}]`);
        tensors[name] = tensorOf(this.#tf, name, inputs[name], spec);
        given.push(tensors[name]);
      }
      const names = Object.keys(this.outputs);
      // A graph with loops waits in between; any other is asked in one go, and leaves nothing behind.
      const found = this.#stepwise
        ? await this.#graph.executeAsync(tensors, names)
        : this.#tf.tidy(() => this.#graph.execute(tensors, names));
      const outputs = Array.isArray(found) ? found : [found];
      const answer = {};
      for (const [index, name] of names.entries()) {
        answer[name] = {data: await outputs[index].data(), shape: outputs[index].shape};
      }
      outputs.forEach((one) => one.dispose());
      return answer;
    } finally {
      given.forEach((one) => one.dispose());
    }
  }

  dispose() {
    this.#graph.dispose();
  }
}

async function start(tf, backend) {
  if (backend === 'wasm' && tf.wasm && typeof document !== 'undefined') tf.wasm.setWasmPaths(new URL('vendor/', HERE).href);
  if (!(await tf.setBackend(backend))) throw new Error(`the backend ${backend} does not start here`);
  await tf.ready();
}

/** TensorFlow.js out of this folder. */
export async function scripts() {
  if (globalThis.tf) return globalThis.tf;
  for (const name of SCRIPTS) {
    await new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = new URL(`vendor/${name}`, HERE).href;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`vendor/${name} is not there`));
      document.head.append(script);
    });
  }
  return globalThis.tf;
}

function described(entries) {
  const specs = {};
  for (const [name, {dtype, tensorShape}] of Object.entries(entries)) {
    const shape = tensorShape.unknownRank ? null : (tensorShape.dim ?? []).map(({size}) => Number(size));
    specs[name] = {dtype: DTYPES[dtype], shape};
  }
  return specs;
}

/** What is given as a tensor: {data, shape}, an array of arrays, or a flat one whose shape follows from the signature. */
function tensorOf(tf, name, given, {dtype, shape}) {
  const nested = given?.shape === undefined && !ArrayBuffer.isView(given) && Array.isArray(given?.[0]);
  const data = given?.shape === undefined ? (nested ? given.flat(Infinity) : given) : given.data;
  const sizes = given?.shape ?? (nested ? sizesOf(given) : filled(shape, data?.length));
  const fits = shape === null || (sizes?.length === shape.length && shape.every((size, axis) => size === -1 || size === sizes[axis]));
  const count = sizes?.reduce((product, size) => product * size, 1);
  if (!fits || count !== data?.length) {
    const free = shape?.map((size) => (size === -1 ? '?' : size));
    throw new Error(`the input ${name} takes ${dtype} [${free}], and ${data?.length ?? 0} numbers${sizes ? ` as [${sizes}]` : ''} are given`);
  }
  return tf.tensor(ARRAYS[dtype].from(data), sizes, dtype);
}

function sizesOf(nested) {
  const sizes = [];
  for (let one = nested; Array.isArray(one) || ArrayBuffer.isView(one); one = one[0]) sizes.push(one.length);
  return sizes;
}

/** The shape with its one free size filled in. */
function filled(shape, count) {
  if (shape === null) return [count];
  const known = shape.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  return shape.map((size) => (size === -1 ? count / known : size));
}

function checkWeights({weightsManifest: [{weights, paths}]}, data) {
  const bytes = {float32: 4, int32: 4, bool: 1, float16: 2, uint16: 2, uint8: 1};
  const size = ({shape, dtype, quantization}) => shape.reduce((product, one) => product * one, bytes[quantization?.dtype ?? dtype]);
  const wanted = weights.reduce((sum, one) => sum + size(one), 0);
  if (data.byteLength !== wanted) {
    throw new Error(`${paths.join(', ')}: ${data.byteLength} bytes of weights, and ${wanted} are needed`);
  }
}
