// The page: one code at a time, and all that changes or shows it.

import { floats, unpacked, whenLoaded } from "zoo/data";
import { CodeMap } from "zoo/map";
import { loadModel } from "zoo/model";
import { Pad } from "zoo/pad";
import { bitmapOf, paint, taken } from "zoo/pixels";
import { Sliders } from "zoo/sliders";

const get = (id) => document.getElementById(id);
const SAMPLES = 32;

class Page {
  constructor(page, model, data) {
    Object.assign(this, { page, model, ...data });
    this.dims = model.dims;
    this.code = this.mean.slice();
    this.sliders = new Sliders(get("sliders"), get("more"), page.order, this.mean, this.spread, () => this.moved());
    this.ends = {};
    this.wire();
    this.show(this.mean);
  }

  wire() {
    const { count, labels, classes, name, layout } = this.page.images;
    if (count) {
      get("map-hint").textContent = `${count} images of ${name}, laid out by ${layout}. ${get("map-hint").textContent}`;
      this.map = new CodeMap(get("map"), get("legend"), this.points, labels, classes, (n) => this.pick(n));
      get("any").addEventListener("click", () => this.map.pick(Math.floor(Math.random() * count)));
    }
    for (const id of ["map-section", "any"]) get(id).hidden = !count;
    get("center").addEventListener("click", () => this.show(this.mean));
    for (const end of ["a", "b"]) get(`path-${end}`).addEventListener("click", () => this.setEnd(end));
    get("path-place").addEventListener("input", () => this.along(Number(get("path-place").value)));
    this.pad = new Pad(get("pad"), get("pad-clear"), get("file"), (given) => this.own(given));
    get("samples-section").hidden = !this.page.prior;
    get("again").addEventListener("click", () => this.samples());
    get("temperature").addEventListener("input", () => this.samples());
    if (this.page.prior) this.samples();
  }

  // Shows a code, which the sliders change from then on; and what it is of, which may be on the map.
  show(code, original = null, name = "", numbers = {}, place = -1) {
    this.map?.mark(place);
    this.code = Float32Array.from(code);
    this.sliders.put(this.code);
    this.original = original;
    get("original-figure").hidden = !original;
    if (original) paint(get("original"), original, this.page.image);
    get("original-name").textContent = name;
    this.numbers = numbers;
    this.refresh();
  }

  // A slider moved: what was measured of the image's own code is no longer of this one.
  moved() {
    this.numbers = {};
    this.refresh();
  }

  // Decodes the code as it is now; while one decoding runs, only the last change waits.
  refresh() {
    this.wanted = true;
    if (!this.busy) this.busy = this.decodeWanted().finally(() => (this.busy = null));
    return this.busy;
  }

  async decodeWanted() {
    while (this.wanted) {
      this.wanted = false;
      await this.guarded(async () => {
        const image = await this.model.decode(this.code);
        paint(get("image"), image, this.page.image);
        this.tell(image);
      });
    }
  }

  tell(image) {
    const told = { ...this.numbers };
    if (this.original) told["mean squared error"] = squaredError(image, this.original).toPrecision(3);
    get("numbers").replaceChildren(...Object.entries(told).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  }

  pick(number) {
    const size = this.model.pixels;
    const levels = this.levels.subarray(number * size, (number + 1) * size);
    const numbers = {};
    for (const [name, values] of Object.entries(this.perImage)) numbers[name] = values[number].toPrecision(4);
    const code = this.codes.subarray(number * this.dims, (number + 1) * this.dims);
    this.show(code, Float32Array.from(levels, (level) => level / 255), `${this.page.images.name} ${number}`, numbers, number);
  }

  setEnd(end) {
    this.ends[end] = this.code.slice();
    get(`path-${end}`).textContent = end === "a" ? "From here (set)" : "To here (set)";
    if (!this.ends.a || !this.ends.b) return;
    get("path-label").hidden = get("path").hidden = false;
    this.strip();
  }

  async strip() {
    await this.guarded(async () => {
      const steps = 9;
      const codes = new Float32Array(steps * this.dims);
      for (let n = 0; n < steps; n++) codes.set(between(this.ends.a, this.ends.b, n / (steps - 1)), n * this.dims);
      paint(get("path"), await this.model.decode(codes), this.page.image, steps);
    });
  }

  along(place) {
    this.show(between(this.ends.a, this.ends.b, place));
  }

  // A file, or the pad itself: what the model makes of it.
  async own(given) {
    get("refusal").textContent = "";
    try {
      let source = given;
      if (given instanceof File) {
        source = await bitmapOf(given);
        this.pad.show(source);
      }
      const image = taken(source, this.page.image);
      const code = await this.model.encode(image);
      this.show(code, image, given instanceof File ? given.name : "your drawing");
    } catch (wrong) {
      get("refusal").textContent = wrong.message;
    }
  }

  async samples() {
    const temperature = Number(get("temperature").value);
    get("temperature-value").textContent = temperature.toFixed(2);
    await this.guarded(async () => {
      const codes = await this.model.draw(SAMPLES, temperature);
      paint(get("samples"), await this.model.decode(codes), this.page.image, 8);
    });
  }

  // A network that fails says so; the page goes on.
  async guarded(work) {
    try {
      await work();
      get("state").textContent = "";
    } catch (wrong) {
      get("state").textContent = `The model failed on this code: ${wrong.message}`;
    }
  }
}

const between = (a, b, place) => a.map((value, n) => value + place * (b[n] - value));

function squaredError(a, b) {
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += (a[n] - b[n]) ** 2;
  return sum / a.length;
}

function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

async function start() {
  await whenLoaded();
  const page = globalThis.zooPage;
  try {
    const { images } = page;
    const perImage = {};
    for (const [name, packed] of Object.entries(images.numbers ?? {})) perImage[name] = await floats(packed);
    const data = {
      mean: await floats(page.mean),
      spread: await floats(page.spread),
      codes: images.count ? await floats(images.codes) : null,
      points: images.count ? await floats(images.points) : null,
      levels: images.count ? await unpacked(images.levels) : null,
      perImage,
    };
    const model = await loadModel(page, globalThis.zooRuntime);
    globalThis.zooView = new Page(page, model, data);
  } catch (wrong) {
    get("state").textContent = `This browser cannot run the model: ${wrong.message}`;
    throw wrong;
  }
}

start();
