// Between images (C, H, W) in [0, 1] and canvases; and files that somebody gives.

const MOST_BYTES = 20_000_000;
const MOST_PIXELS = 40_000_000;

// Draws images side by side, `columns` in a row.
export function paint(canvas, images, shape, columns = 1) {
  const [channels, height, width] = shape;
  const count = images.length / (channels * height * width);
  const rows = Math.ceil(count / columns);
  canvas.width = columns * width;
  canvas.height = rows * height;
  const context = canvas.getContext("2d");
  for (let n = 0; n < count; n++) {
    const image = rgba(images.subarray(n * channels * height * width, (n + 1) * channels * height * width), shape);
    context.putImageData(image, (n % columns) * width, Math.floor(n / columns) * height);
  }
}

function rgba(values, [channels, height, width]) {
  const image = new ImageData(width, height);
  const area = height * width;
  const of = channels === 3 ? [0, 1, 2] : [0, 0, 0];
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(255 * values[of[c] * area + i]);
    image.data[4 * i + 3] = 255;
  }
  return image;
}

// What a canvas or a bitmap shows, as the model takes it: scaled to fit, black around it.
export function taken(source, [channels, height, width]) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, width, height);
  const scale = Math.min(width / source.width, height / source.height);
  const [w, h] = [source.width * scale, source.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(source, (width - w) / 2, (height - h) / 2, w, h);
  const levels = context.getImageData(0, 0, width, height).data;
  const area = height * width;
  const values = new Float32Array(channels * area);
  for (let i = 0; i < area; i++) {
    const [r, g, b] = levels.subarray(4 * i, 4 * i + 3);
    if (channels === 3) [values[i], values[area + i], values[2 * area + i]] = [r / 255, g / 255, b / 255];
    else for (let c = 0; c < channels; c++) values[c * area + i] = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
  }
  return values;
}

// A file's picture. Throws an Error whose message is for whoever chose it.
export async function bitmapOf(file) {
  if (file.size > MOST_BYTES)
    throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; at most ${MOST_BYTES / 1e6} are read. Make it smaller.`);
  const size = await sizeOf(file);
  if (size && size[0] * size[1] > MOST_PIXELS)
    throw new Error(`${file.name} has ${size[0]} x ${size[1]} pixels; at most ${MOST_PIXELS / 1e6} million are read. Make it smaller.`);
  if (!size) throw new Error(`${file.name} is not a PNG, JPEG, GIF, WebP or BMP image.`);
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} cannot be read as an image: it may be damaged.`);
  }
}

// Width and height from the first bytes, before anything is decoded; null for another format.
async function sizeOf(file) {
  const head = new DataView(await file.slice(0, 65536).arrayBuffer());
  const text = (at, length) => at + length <= head.byteLength
    ? String.fromCharCode(...new Uint8Array(head.buffer, at, length)) : "";
  if (text(1, 3) === "PNG" && head.byteLength > 24) return [head.getUint32(16), head.getUint32(20)];
  if (text(0, 3) === "GIF" && head.byteLength > 10) return [head.getUint16(6, true), head.getUint16(8, true)];
  if (text(0, 2) === "BM" && head.byteLength > 26) return [Math.abs(head.getInt32(18, true)), Math.abs(head.getInt32(22, true))];
  if (text(0, 4) === "RIFF" && text(8, 4) === "WEBP" && head.byteLength > 30) return webpSize(head, text(12, 4));
  if (head.byteLength > 4 && head.getUint16(0) === 0xffd8) return jpegSize(head);
  return null;
}

function webpSize(head, kind) {
  if (kind === "VP8X") return [1 + three(head, 24), 1 + three(head, 27)];
  if (kind === "VP8L") {
    const bits = head.getUint32(21, true);
    return [1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff)];
  }
  return [head.getUint16(26, true) & 0x3fff, head.getUint16(28, true) & 0x3fff];
}

const three = (head, at) => head.getUint16(at, true) + 65536 * head.getUint8(at + 2);

function jpegSize(head) {
  for (let at = 2; at + 9 < head.byteLength && head.getUint8(at) === 0xff; at += 2 + head.getUint16(at + 2)) {
    const marker = head.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return [head.getUint16(at + 7), head.getUint16(at + 5)];
  }
  return [1, 1]; // the frame comes later: the decoder will say
}
