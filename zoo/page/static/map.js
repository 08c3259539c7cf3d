// Codes of test images as points of a plane, colored by class.

const COLORS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d1f", "#7b5ea7", "#5b8c2a", "#a3264b"];
const SIDE = 700;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class CodeMap {
  // points: (n, 2), each from 0 to 1; labels: class numbers, or null.
  constructor(canvas, legend, points, labels, classes, onPick) {
    Object.assign(this, { canvas, points, labels, onPick, picked: -1, count: points.length / 2 });
    canvas.width = canvas.height = SIDE;
    canvas.addEventListener("pointerdown", (event) => this.pick(this.nearest(...this.at(event))));
    canvas.addEventListener("keydown", (event) => this.step(event));
    for (const [n, name] of (classes ?? []).entries()) legend.append(this.entry(n, name));
    this.draw();
  }

  entry(number, name) {
    const item = document.createElement("li");
    const dot = document.createElement("i");
    dot.style.background = color(number);
    item.append(dot, name);
    return item;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  nearest(x, y, allowed = () => true) {
    let best = -1, least = Infinity;
    for (let n = 0; n < this.count; n++) {
      const [dx, dy] = [this.points[2 * n] - x, this.points[2 * n + 1] - y];
      const far = dx * dx + dy * dy;
      if (far < least && allowed(dx, dy, n)) [best, least] = [n, far];
    }
    return best;
  }

  step(event) {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    const from = Math.max(0, this.picked);
    const [x, y] = [this.points[2 * from], this.points[2 * from + 1]];
    const ahead = (dx, dy, n) => n !== from && dx * way[0] + dy * way[1] > Math.abs(dx * way[1] + dy * way[0]);
    const next = this.nearest(x, y, ahead);
    if (next >= 0) this.pick(next);
  }

  pick(number) {
    if (number >= 0) this.onPick(number);
  }

  // Rings an image; -1 is none.
  mark(number) {
    if (number === this.picked) return;
    this.picked = number;
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    for (let n = 0; n < this.count; n++) this.dot(context, n, 4, color(this.labels?.[n] ?? 0));
    if (this.picked < 0) return;
    context.lineWidth = 3;
    context.strokeStyle = getComputedStyle(this.canvas).color;
    context.beginPath();
    context.arc(...this.place(this.picked), 11, 0, 2 * Math.PI);
    context.stroke();
  }

  dot(context, number, radius, fill) {
    context.fillStyle = fill;
    context.beginPath();
    context.arc(...this.place(number), radius, 0, 2 * Math.PI);
    context.fill();
  }

  place(number) {
    return [SIDE * this.points[2 * number], SIDE * this.points[2 * number + 1]];
  }
}

const color = (number) => COLORS[number % COLORS.length];
