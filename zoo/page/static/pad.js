// A pad to draw on, white on black, and whatever is dropped on it.

const SIDE = 280;

export class Pad {
  constructor(canvas, clear, file, onImage) {
    Object.assign(this, { canvas, onImage });
    canvas.width = canvas.height = SIDE;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.wipe();
    clear.addEventListener("click", () => this.wipe());
    file.addEventListener("change", () => file.files[0] && onImage(file.files[0]));
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(kind, () => this.end());
    for (const kind of ["dragover", "drop"])
      document.addEventListener(kind, (event) => event.preventDefault());
    document.addEventListener("drop", (event) => event.dataTransfer.files[0] && onImage(event.dataTransfer.files[0]));
  }

  wipe() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, SIDE, SIDE);
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.at(event);
    this.move(event);
  }

  move(event) {
    if (!this.last) return;
    const next = this.at(event);
    Object.assign(this.context, { strokeStyle: "#fff", lineWidth: SIDE / 14, lineCap: "round" });
    this.context.beginPath();
    this.context.moveTo(...this.last);
    this.context.lineTo(next[0] + 0.01, next[1]);
    this.context.stroke();
    this.last = next;
    this.onImage(this.canvas);
  }

  end() {
    this.last = null;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(SIDE * (event.clientX - box.left)) / box.width, (SIDE * (event.clientY - box.top)) / box.height];
  }

  // Shows a bitmap on the pad, as the model will take it.
  show(bitmap) {
    this.wipe();
    const scale = Math.min(SIDE / bitmap.width, SIDE / bitmap.height);
    const [w, h] = [bitmap.width * scale, bitmap.height * scale];
    this.context.drawImage(bitmap, (SIDE - w) / 2, (SIDE - h) / 2, w, h);
  }
}
