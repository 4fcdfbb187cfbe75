// <td-tree source="id of JSON" at="path" none="Nothing.">: JSON as a readable tree. `show(value)` changes it.

import { embedded, make } from "./dom.js";
import "./td-copy.js";
import { count } from "./words.js";

// More than that of one list nobody reads; the raw JSON has it all.
const MOST = 200;
const LONG = 400;
const OPEN_DEPTH = 2;

function scalar(value) {
  if (value === null || value === undefined || value === "") return make("span", { className: "td-quiet", textContent: value === "" ? "(empty)" : "–" });
  if (typeof value === "boolean") return make("span", { className: "td-tree-bool", textContent: value ? "yes" : "no" });
  if (typeof value === "number") return make("span", { className: "td-tree-number", textContent: String(value) });
  const text = String(value);
  if (/^https?:\/\/\S+$/.test(text) && text.length < LONG) return make("a", { className: "td-link td-tree-text", href: text, rel: "noreferrer noopener", target: "_blank", textContent: text });
  return make("span", { className: text.length > LONG || text.includes("\n") ? "td-tree-text td-tree-long" : "td-tree-text", textContent: text });
}

function isNested(value) {
  return value !== null && typeof value === "object" && Object.keys(value).length > 0;
}

function plainList(value) {
  return Array.isArray(value) && value.length <= 12 && value.every((each) => !isNested(each) && String(each).length < 60);
}

function line(name, value, depth) {
  if (plainList(value) || !isNested(value)) {
    const empty = value !== null && typeof value === "object" && !Object.keys(value).length;
    const shown = empty ? make("span", { className: "td-quiet", textContent: "(none)" }) : Array.isArray(value) ? make("span", { className: "td-tree-text", textContent: value.map((each) => (each === null ? "–" : String(each))).join(", ") }) : scalar(value);
    return make("div", { className: "td-tree-line" }, make("span", { className: "td-tree-name", textContent: name }), shown);
  }
  const size = Object.keys(value).length;
  const summary = make("summary", {}, make("span", { className: "td-tree-name", textContent: name }), make("small", { className: "td-quiet", textContent: count(size, Array.isArray(value) ? "entry" : "value").replace("entrys", "entries") }));
  const details = make("details", { className: "td-tree-branch", open: depth < OPEN_DEPTH && size <= 20 }, summary);
  const fill = () => {
    if (details.open && details.children.length === 1) details.append(tree(value, depth + 1));
  };
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

export function tree(value, depth = 0) {
  if (!isNested(value)) return make("div", { className: "td-tree" }, scalar(value));
  const entries = Array.isArray(value) ? value.map((each, at) => [String(at + 1), each]) : Object.entries(value);
  const lines = entries.slice(0, MOST).map(([name, each]) => line(name, each, depth));
  if (entries.length > MOST) lines.push(make("p", { className: "td-quiet", textContent: `${(entries.length - MOST).toLocaleString("en")} more: copy the JSON to see them.` }));
  return make("div", { className: "td-tree" }, ...lines);
}

class TdTree extends HTMLElement {
  #value = null;

  connectedCallback() {
    const source = this.getAttribute("source");
    if (!source || this.firstChild) return;
    const whole = embedded(source);
    const at = this.getAttribute("at");
    this.show(at ? whole[at] : whole);
  }

  get value() {
    return this.#value;
  }

  show(value) {
    this.#value = value;
    const copy = document.querySelector(`td-copy[data-copies="${this.dataset.fact}"]`);
    if (copy) copy.source = () => JSON.stringify(this.#value, null, 2);
    const empty = value === null || value === undefined || (typeof value === "object" && !Object.keys(value).length);
    this.replaceChildren(empty ? make("p", { className: "td-quiet", textContent: this.getAttribute("none") ?? "Nothing." }) : tree(value));
  }
}

customElements.define("td-tree", TdTree);
