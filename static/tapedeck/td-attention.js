// <td-attention> in <td-dashboard>: what somebody should look at, the worst first.

import { icon, make } from "./dom.js";
import "./td-time.js";

const ICONS = { bad: "error", warn: "warning", info: "info" };

class TdAttention extends HTMLElement {
  connectedCallback() {
    this.closest("td-dashboard").addEventListener("overview", ({ detail }) => this.#show(detail.attention));
  }

  #show(notes) {
    if (!notes.length) {
      this.replaceChildren(make("p", { className: "td-fine" }, icon("check_circle"), "Nothing needs attention."));
      return;
    }
    this.replaceChildren(
      make("ul", { className: "td-notes" }, ...notes.map((note) => {
        const after = [];
        if (note.at) after.push(make("td-time", { className: "td-quiet", attributes: { datetime: note.at } }));
        if (note.url) after.push(make("a", { className: "td-link", href: note.url, textContent: note.link }));
        const words = make("div", { className: "td-note-words" }, make("span", { className: "td-note-text", textContent: note.text }), ...(note.todo ? [make("small", { className: "td-quiet", textContent: note.todo })] : []));
        return make("li", { dataset: { level: note.level } }, icon(ICONS[note.level] ?? "info"), words, make("span", { className: "td-note-after" }, ...after));
      })),
    );
  }
}

customElements.define("td-attention", TdAttention);
