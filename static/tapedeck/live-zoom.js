// <live-zoom>: how large the recorded page is shown: fitted to the console, or in steps up to 200 %.
//
// `watch(scroller, screen)` says what scrolls and what is enlarged. Two fingers on the picture zoom
// and move it; one finger, the wheel and all keys are the recorded page's own.

import { icon, make } from "./dom.js";

const STEPS = [0.25, 0.5, 0.75, 1, 1.5, 2];
const LEAST = STEPS[0];
const MOST = STEPS.at(-1);

export class LiveZoom extends HTMLElement {
  #scroller = null;
  #screen = null;
  #factor = null; // null: fitted
  #fingers = new Map();
  #pinch = null;
  #shown = make("output", { className: "td-live-percent" });

  connectedCallback() {
    if (this.firstChild) return;
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "Size of the recorded page");
    const button = (name, label, action) => {
      const made = make("button", { type: "button", className: "td-live-tool", title: label }, icon(name));
      made.setAttribute("aria-label", label);
      made.addEventListener("click", action);
      return made;
    };
    this.append(
      button("remove", "Smaller", () => this.#step(-1)),
      this.#shown,
      button("add", "Larger", () => this.#step(1)),
      button("fit_screen", "Fit to the window", () => this.#set(null)),
      button("crop_free", "Full size (100 %)", () => this.#set(1)),
    );
    this.#tell();
  }

  watch(scroller, screen) {
    this.#scroller = scroller;
    this.#screen = screen;
    // Before the screen's own listeners: with a second finger the first is no click.
    scroller.addEventListener("pointerdown", (event) => this.#down(event), true);
    scroller.addEventListener("pointermove", (event) => this.#move(event), true);
    for (const type of ["pointerup", "pointercancel"]) {
      scroller.addEventListener(type, (event) => this.#up(event), true);
    }
    screen.addEventListener("size", () => this.#tell());
    new ResizeObserver(() => this.#tell()).observe(screen);
  }

  get #width() {
    return this.#screen?.frame?.width ?? 0;
  }

  get #actual() {
    const shown = this.#screen?.getBoundingClientRect().width ?? 0;
    return this.#width ? shown / this.#width : 1;
  }

  #step(direction) {
    const now = this.#actual;
    const next = direction > 0 ? STEPS.find((one) => one > now + 0.01) : STEPS.findLast((one) => one < now - 0.01);
    this.#set(next ?? (direction > 0 ? MOST : LEAST));
  }

  /** Show at this factor; what is at `at` (in the window) stays there. */
  #set(factor, at = null) {
    if (!this.#screen) return;
    const box = this.#scroller.getBoundingClientRect();
    const { x, y } = at ?? { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const before = this.#screen.getBoundingClientRect();
    const [partX, partY] = [(x - before.x) / before.width, (y - before.y) / before.height];
    this.#factor = factor === null ? null : Math.max(LEAST, Math.min(MOST, factor));
    this.#screen.toggleAttribute("data-zoomed", factor !== null);
    this.#screen.style.setProperty("--live-zoom", String(this.#factor ?? 1));
    const after = this.#screen.getBoundingClientRect();
    this.#scroller.scrollBy(after.x + partX * after.width - x, after.y + partY * after.height - y);
    this.#tell();
  }

  #tell() {
    const percent = `${Math.round(this.#actual * 100)} %`;
    this.#shown.textContent = percent;
    this.#shown.title = this.#factor === null ? `Fitted to the window: ${percent}` : percent;
  }

  #down(event) {
    if (event.pointerType !== "touch") return;
    this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.#fingers.size === 2) this.#pinch = { ...this.#spread(), factor: this.#actual };
  }

  #move(event) {
    if (!this.#fingers.has(event.pointerId)) return;
    this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (!this.#pinch || this.#fingers.size !== 2) return;
    event.stopPropagation();
    const { x, y, apart } = this.#spread();
    this.#scroller.scrollBy(this.#pinch.x - x, this.#pinch.y - y);
    this.#set((this.#pinch.factor * apart) / this.#pinch.apart, { x, y });
    Object.assign(this.#pinch, { x, y });
  }

  #up(event) {
    if (!this.#fingers.delete(event.pointerId) || !this.#pinch) return;
    if (this.#fingers.size === 0) this.#pinch = null;
  }

  #spread() {
    const [a, b] = [...this.#fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
  }
}

customElements.define("live-zoom", LiveZoom);
