// A slider for each latent, the most active first.

const FIRST = 10;

export class Sliders {
  // order: latents, the most active first; mean, spread: of each latent over the test set.
  constructor(root, more, order, mean, spread, onMove) {
    Object.assign(this, { root, more, order, mean, spread, onMove, rows: [] });
    more.addEventListener("click", () => this.show(this.rows.length + Math.max(FIRST, this.rows.length)));
  }

  // Puts the sliders where a code is; it is the caller's array that they then change.
  put(code) {
    this.code = code;
    if (!this.rows.length) this.show(FIRST);
    for (const row of this.rows) this.place(row);
  }

  show(count) {
    for (const latent of this.order.slice(this.rows.length, count)) this.rows.push(this.made(latent));
    this.more.hidden = this.rows.length === this.order.length;
    this.more.textContent = `More latents (${this.order.length - this.rows.length})`;
  }

  made(latent) {
    const label = document.createElement("label");
    label.className = "slider";
    const input = Object.assign(document.createElement("input"), { type: "range", step: "any" });
    const spread = this.spread[latent] || 1;
    [input.min, input.max] = [this.mean[latent] - 4 * spread, this.mean[latent] + 4 * spread];
    const told = document.createElement("span"); // no output: a screen reader would read out all that move
    const name = Object.assign(document.createElement("span"), { textContent: `z ${latent}` });
    input.ariaLabel = name.textContent;
    label.append(name, input, told);
    this.root.append(label);
    const row = { latent, input, told };
    input.addEventListener("input", () => {
      this.code[latent] = Number(input.value);
      this.tell(row);
      this.onMove();
    });
    if (this.code) this.place(row);
    return row;
  }

  place(row) {
    const [input, value] = [row.input, this.code[row.latent]];
    input.min = Math.min(input.min, value);
    input.max = Math.max(input.max, value);
    input.value = value;
    this.tell(row);
  }

  tell({ latent, input, told }) {
    told.textContent = input.ariaValueText = this.code[latent].toFixed(2);
  }
}
