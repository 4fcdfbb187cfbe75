// <day-chart base="/admin/jobs/job/"> in <td-dashboard>: jobs of the last 24 hours by hour and by what
// became of them, stacked; the same figures as a table for whoever prefers or needs one.

import { make } from "./dom.js";
import { STATUS_WORDS } from "./words.js";

// From the bottom up.
const STATES = ["succeeded", "failed", "cancelled", "running", "queued"];
const HEIGHT = 190;
const PAD = { left: 40, right: 4, top: 10, bottom: 24 };
const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function niceStep(most) {
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].find((each) => each * power >= rough) * power);
}

function hourOf(iso) {
  return `${String(new Date(iso).getHours()).padStart(2, "0")}:00`;
}

class DayChart extends HTMLElement {
  #data = null;
  #figure = make("div", { className: "td-chart" });
  #tip = make("div", { className: "td-chart-tip", hidden: true });
  #table = make("div", { className: "td-scroll", hidden: true });
  #legend = make("div", { className: "td-chart-legend" });
  #toggle = make("button", { type: "button", className: "td-button td-small", textContent: "As a table", ariaExpanded: "false" });
  #observer = new ResizeObserver(() => this.#draw());

  connectedCallback() {
    if (!this.firstChild) {
      const head = make("header", { className: "td-card-head" }, make("h2", { textContent: "Last 24 hours" }), this.#legend, this.#toggle);
      this.append(head, this.#figure, this.#table);
      this.#toggle.addEventListener("click", () => {
        const shown = this.#table.hidden;
        this.#table.hidden = !shown;
        this.#figure.hidden = shown;
        this.#toggle.textContent = shown ? "As a chart" : "As a table";
        this.#toggle.ariaExpanded = String(shown);
      });
    }
    this.#observer.observe(this);
    this.closest("td-dashboard").addEventListener("overview", ({ detail }) => this.show(detail.chart));
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  show(chart) {
    this.#data = chart;
    this.#draw();
    this.#fillTable();
  }

  #words(number) {
    const { cap } = this.#data;
    return number >= cap ? `${cap.toLocaleString("en")}+` : number.toLocaleString("en");
  }

  #draw() {
    if (!this.#data || !this.clientWidth) return;
    const { hours } = this.#data;
    const width = this.clientWidth - 32;
    const inner = width - PAD.left - PAD.right;
    const tall = HEIGHT - PAD.top - PAD.bottom;
    const sums = hours.map((hour) => STATES.reduce((sum, state) => sum + hour[state], 0));
    const step = niceStep(Math.max(...sums));
    const top = Math.max(step, Math.ceil(Math.max(...sums) / step) * step);
    const y = (value) => PAD.top + tall - (value / top) * tall;
    const slot = inner / hours.length;
    const bar = Math.max(2, slot - Math.max(2, slot * 0.25));
    const svg = draw("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": this.#summary() });
    for (let value = 0; value <= top; value += step) {
      svg.append(draw("line", { class: "td-chart-grid", x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }));
      const label = draw("text", { class: "td-chart-label", x: PAD.left - 8, y: y(value) + 4, "text-anchor": "end" });
      label.textContent = value.toLocaleString("en");
      svg.append(label);
    }
    const every = slot * 3 < 44 ? 6 : 3;
    hours.forEach((hour, at) => {
      const x = PAD.left + at * slot + (slot - bar) / 2;
      const from = new Date(hour.at);
      const query = new URLSearchParams({ since: hour.at, until: new Date(from.getTime() + 3600000).toISOString() });
      const group = draw("a", { href: `${this.getAttribute("base")}?${query}`, class: "td-chart-hour", "aria-label": this.#hourWords(hour) });
      group.append(draw("rect", { class: "td-chart-slot", x: PAD.left + at * slot, y: PAD.top, width: slot, height: tall }));
      let below = 0;
      for (const state of STATES) {
        if (!hour[state]) continue;
        // The thinnest part must be seen: one failure among a thousand is why one looks.
        const height = Math.max(1.5, y(below) - y(below + hour[state]));
        group.append(draw("rect", { class: "td-chart-part", "data-state": state, x, width: bar, y: y(below) - height, height }));
        below += hour[state];
      }
      group.addEventListener("pointerenter", () => this.#point(hour, x + bar / 2));
      group.addEventListener("focus", () => this.#point(hour, x + bar / 2));
      group.addEventListener("pointerleave", () => this.#unpoint());
      group.addEventListener("blur", () => this.#unpoint());
      svg.append(group);
      if (from.getHours() % every === 0) {
        const label = draw("text", { class: "td-chart-label", x: x + bar / 2, y: HEIGHT - 6, "text-anchor": "middle" });
        label.textContent = hourOf(hour.at);
        svg.append(label);
      }
    });
    this.#figure.replaceChildren(svg, this.#tip);
    const any = STATES.filter((state) => hours.some((hour) => hour[state]));
    this.#legend.replaceChildren(...any.map((state) => make("span", { dataset: { state } }, STATUS_WORDS[state])));
    if (!any.length) {
      svg.append(draw("text", { class: "td-chart-none", x: PAD.left + inner / 2, y: PAD.top + tall / 2, "text-anchor": "middle" }, "No jobs in the last 24 hours"));
    }
  }

  #point(hour, x) {
    const lines = STATES.filter((state) => hour[state]).reverse().map((state) => make("span", { dataset: { state } }, `${STATUS_WORDS[state]} `, make("b", { textContent: this.#words(hour[state]) })));
    const until = hourOf(new Date(new Date(hour.at).getTime() + 3600000));
    this.#tip.replaceChildren(make("strong", { textContent: `${hourOf(hour.at)}–${until}` }), ...(lines.length ? lines : [make("span", { textContent: "No jobs" })]));
    this.#tip.hidden = false;
    const half = this.#tip.offsetWidth / 2;
    this.#tip.style.left = `${Math.min(Math.max(x, half), this.#figure.clientWidth - 32 - half) + 16}px`;
  }

  #unpoint() {
    this.#tip.hidden = true;
  }

  #hourWords(hour) {
    const parts = STATES.filter((state) => hour[state]).map((state) => `${this.#words(hour[state])} ${STATUS_WORDS[state].toLowerCase()}`);
    return `${hourOf(hour.at)}: ${parts.join(", ") || "no jobs"}`;
  }

  #summary() {
    const sums = STATES.map((state) => [state, this.#data.hours.reduce((sum, hour) => sum + hour[state], 0)]);
    const parts = sums.filter(([, sum]) => sum).map(([state, sum]) => `${sum.toLocaleString("en")} ${STATUS_WORDS[state].toLowerCase()}`);
    return `Jobs queued in the last 24 hours, by hour: ${parts.join(", ") || "none"}.`;
  }

  #fillTable() {
    const head = make("tr", {}, ...["Hour", ...STATES.map((state) => STATUS_WORDS[state])].map((word, at) => make("th", { textContent: word, scope: "col", className: at ? "td-right" : "" })));
    const rows = [...this.#data.hours].reverse().map((hour) => make("tr", {}, make("th", { scope: "row", textContent: `${new Date(hour.at).toLocaleDateString()} ${hourOf(hour.at)}` }), ...STATES.map((state) => make("td", { className: "td-right", textContent: this.#words(hour[state]) }))));
    this.#table.replaceChildren(make("table", { className: "td-table" }, make("caption", { className: "td-quiet", textContent: "Jobs by the hour in which they were queued" }), make("thead", {}, head), make("tbody", {}, ...rows)));
  }
}

customElements.define("day-chart", DayChart);
