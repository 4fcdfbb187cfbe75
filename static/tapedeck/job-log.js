// <job-log> in <job-live>: the attempt's output; follows the end until one scrolls away from it.

import { make } from "./dom.js";
import "./td-copy.js";
import { count } from "./words.js";

const SHOWN = 5000;

class JobLog extends HTMLElement {
  #lines = [];
  #pending = [];
  #total = 0;
  #box = make("div", { className: "td-log", tabIndex: 0, role: "log" });
  #follow = make("input", { type: "checkbox", checked: true });
  #word = make("span", { className: "td-quiet" });

  connectedCallback() {
    const copy = make("td-copy", { attributes: { label: "Copy log" } });
    copy.source = () => this.#lines.join("\n");
    const bar = make("div", { className: "td-card-head" }, this.#word, make("span", { className: "td-actions" }, make("label", { className: "td-check" }, this.#follow, "Follow"), copy));
    this.replaceChildren(bar, this.#box);
    this.#say();
    this.#follow.addEventListener("change", () => this.#toEnd());
    this.#box.addEventListener("scroll", () => {
      const atEnd = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < 30;
      if (this.#box.clientHeight) this.#follow.checked = atEnd;
    });
    this.closest("td-tabs")?.addEventListener("tab", () => this.#toEnd());
    this.closest("job-live").addEventListener("job-event", ({ detail: event }) => {
      if (event.type !== "log") return;
      this.#pending.push(...event.data.lines.map((text) => ({ text, stream: event.data.stream, attempt: event.attempt })));
      if (this.#pending.length) requestAnimationFrame(() => this.#flush());
    });
  }

  #flush() {
    const lines = this.#pending.splice(0);
    if (!lines.length) return;
    this.#total += lines.length;
    this.#lines.push(...lines.map((line) => line.text));
    this.#lines.splice(0, Math.max(0, this.#lines.length - SHOWN));
    const follow = this.#follow.checked;
    this.#box.append(...lines.slice(-SHOWN).map((line) => make("div", { dataset: { stream: line.stream }, title: `${line.stream}, attempt ${line.attempt}`, textContent: line.text })));
    while (this.#box.children.length > SHOWN) this.#box.firstElementChild.remove();
    this.#say();
    this.closest("td-tabs")?.count("log", this.#total);
    if (follow) this.#toEnd();
  }

  #say() {
    if (!this.#total) this.#word.textContent = "No output yet.";
    else if (this.#total > SHOWN) this.#word.textContent = `The last ${SHOWN.toLocaleString("en")} of ${count(this.#total, "line")}`;
    else this.#word.textContent = count(this.#total, "line");
  }

  #toEnd() {
    if (this.#follow.checked) this.#box.scrollTop = this.#box.scrollHeight;
  }
}

customElements.define("job-log", JobLog);
