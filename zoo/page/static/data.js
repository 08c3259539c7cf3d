// What `model.js` and `runtime.js` hold, out of base64 and gzip.

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export async function unpacked(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function floats(text) {
  const data = await unpacked(text);
  return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
}

export function whenLoaded() {
  // The page is painted before its two large scripts have come.
  return new Promise((resolve) => {
    if (document.readyState === "complete") resolve();
    else addEventListener("load", resolve, { once: true });
  });
}
