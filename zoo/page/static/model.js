// The networks: encoder and decoder, and the prior's where one is needed, run by onnxruntime-web.

import { unpacked } from "zoo/data";

export async function loadModel(page, runtime) {
  const ort = await import(`data:text/javascript;base64,${runtime.module}`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await unpacked(runtime.wasm);
  const session = async (name) =>
    page.networks[name] && ort.InferenceSession.create(await unpacked(page.networks[name]));
  const sessions = { encoder: await session("encoder"), decoder: await session("decoder"), prior: await session("prior") };
  return new Model(ort, page, sessions);
}

class Model {
  constructor(ort, page, sessions) {
    this.ort = ort;
    this.imageShape = page.image;
    this.codeShape = page.code;
    this.noiseShape = page.prior?.noise;
    this.sessions = sessions;
    this.queue = Promise.resolve();
  }

  get pixels() { return this.imageShape.reduce((a, b) => a * b, 1); }
  get dims() { return this.codeShape.reduce((a, b) => a * b, 1); }

  // Images (n, C, H, W) in [0, 1] -> codes, one after the other.
  encode(images) { return this.run("encoder", "images", images, this.imageShape, "codes"); }

  // Codes -> images in [0, 1].
  decode(codes) { return this.run("decoder", "codes", codes, this.codeShape, "images"); }

  // Codes of the prior's: standard normal noise times the temperature, through its network if it has one.
  draw(count, temperature) {
    const size = this.noiseShape.reduce((a, b) => a * b, 1);
    const noise = new Float32Array(count * size);
    for (let n = 0; n < noise.length; n++) {
      const chooses = size > this.dims && n % size === size - 1; // a component, at any temperature
      noise[n] = normal() * (chooses ? 1 : temperature);
    }
    return this.sessions.prior ? this.run("prior", "noise", noise, this.noiseShape, "codes") : Promise.resolve(noise);
  }

  // One after the other: a session runs one batch at a time.
  run(name, input, values, shape, output) {
    const count = values.length / shape.reduce((a, b) => a * b, 1);
    const feeds = { [input]: new this.ort.Tensor("float32", values.slice(), [count, ...shape]) };
    const result = this.queue.then(() => this.sessions[name].run(feeds)).then((outputs) => outputs[output].data);
    this.queue = result.catch(() => {});
    return result;
  }
}

function normal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}
