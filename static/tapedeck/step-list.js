// <step-list>: the steps of a recording, while it runs and after.
//
// `show(steps)` draws them; each has key, number, wording, locator, flags, deletedAt and, where
// known, screenshotUrl or thumbnail, and alternatives. Emits "edit" {key, wording | selector},
// "remove" {key} and "restore" {key}; whoever listens carries it out and shows the steps again;
// and "seen" {key} when a step comes into view whose picture exists and is not here.

import { icon, make } from "./dom.js";
import { signalLines } from "./step-signals.js";

const FLAGS = {
  forged: "No input of the operator explains this step: the page itself may have made it. It is not part of the test.",
  unrecorded: "This gesture left no step that can be replayed. It is not part of the test.",
};

export class StepList extends HTMLElement {
  #list = make("ol", { className: "td-steps" });
  #rows = new Map();
  #editing = null;
  #seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) this.#tell("seen", { key: target.id.slice("step-".length) });
  });

  connectedCallback() {
    if (this.contains(this.#list)) return;
    this.append(this.#list);
    this.#list.setAttribute("aria-label", "Steps");
  }

  get editable() {
    return this.hasAttribute("editable");
  }

  show(steps, { failing = null } = {}) {
    const follow = this.scrollTop + this.clientHeight >= this.scrollHeight - 40;
    const keys = new Set(steps.map(({ key }) => key));
    for (const [key, { row }] of this.#rows) {
      if (!keys.has(key)) {
        row.remove();
        this.#rows.delete(key);
      }
    }
    let added = false;
    steps.forEach((step, index) => {
      // Of several flagged steps in a row only the first says what the flag means.
      const repeated = Boolean(step.flags?.length) && String(steps[index - 1]?.flags) === String(step.flags);
      const drawn = JSON.stringify([step, failing, repeated]);
      let known = this.#rows.get(step.key);
      if (!known) {
        known = { row: make("li"), drawn: "" };
        this.#rows.set(step.key, known);
        added = true;
      }
      if (known.drawn !== drawn && this.#editing !== step.key) {
        known.drawn = drawn;
        this.#fill(known.row, step, failing, repeated);
      }
      if (this.#list.children[index] !== known.row) this.#list.insertBefore(known.row, this.#list.children[index] ?? null);
    });
    this.toggleAttribute("data-empty", steps.length === 0);
    this.toggleAttribute("data-pictures", steps.some((step) => step.screenshotUrl || step.thumbnail));
    if (added && follow && this.hasAttribute("follow")) this.scrollTop = this.scrollHeight;
  }

  #fill(row, step, failing, repeated) {
    const deleted = Boolean(step.deletedAt);
    row.className = "td-step";
    row.id = `step-${step.key}`;
    row.classList.toggle("td-deleted", deleted);
    row.classList.toggle("td-flagged", !deleted && step.flags?.length > 0);
    row.classList.toggle("td-repeated", repeated);
    row.title = (step.flags ?? []).map((flag) => FLAGS[flag] ?? flag).join(" ");
    row.classList.toggle("td-failing", step.number !== null && step.number === failing);
    const picture = this.#picture(step);
    // Observed anew it is told of at once, if it is in view.
    this.#seen.unobserve(row);
    if (step.screenshot && !step.thumbnail && !step.screenshotUrl) this.#seen.observe(row);
    const text = make("div", { className: "td-step-text" });
    text.append(make("div", { className: "td-step-wording", textContent: step.wording }));
    if (step.locator) text.append(make("code", { className: "td-step-locator", textContent: step.locator, title: step.locator }));
    for (const flag of repeated ? [] : (step.flags ?? [])) {
      text.append(make("p", { className: "td-step-flag" }, icon("flag"), make("span", { textContent: FLAGS[flag] ?? flag })));
    }
    for (const line of signalLines(step)) text.append(make("p", { className: "td-step-signal", textContent: line }));
    if (step.alternatives?.length) text.append(this.#alternatives(step));
    const tools = make("div", { className: "td-step-tools" });
    if (this.editable) tools.append(...this.#tools(row, step, deleted));
    row.replaceChildren(make("span", { className: "td-step-number", textContent: step.number ?? "–" }), picture, text, tools);
  }

  #picture(step) {
    const source = step.screenshotUrl ?? step.thumbnail;
    if (!source) return make("span", { className: "td-step-thumb td-none", ariaHidden: "true" });
    const image = make("img", { src: source, alt: `Page at step ${step.number ?? ""}`, loading: "lazy" });
    if (!step.screenshotUrl) return make("span", { className: "td-step-thumb" }, image);
    return make("a", { className: "td-step-thumb", href: source, target: "_blank", title: "Open the screenshot" }, image);
  }

  #alternatives(step) {
    const box = make("details", { className: "td-step-more" }, make("summary", { textContent: `${step.alternatives.length} other locator${step.alternatives.length === 1 ? "" : "s"}` }));
    for (const { selector, locator } of step.alternatives) {
      const line = make("div", { className: "td-step-other" }, make("code", { textContent: locator || selector }));
      if (this.editable && !step.deletedAt && locator) {
        const use = make("button", { type: "button", className: "td-text-button td-link", textContent: "Use this" });
        use.setAttribute("aria-label", `Use ${locator} in step ${step.number}`);
        use.addEventListener("click", () => this.#tell("edit", { key: step.key, selector }));
        line.append(use);
      }
      box.append(line);
    }
    return box;
  }

  #tools(row, step, deleted) {
    const tool = (name, label, action) => {
      const button = make("button", { type: "button", className: "td-step-tool", title: label }, icon(name));
      button.setAttribute("aria-label", `${label}: step ${step.number ?? ""} ${step.wording}`);
      button.addEventListener("click", action);
      return button;
    };
    if (deleted) return [tool("undo", "Restore", () => this.#tell("restore", { key: step.key }))];
    return [
      tool("edit", "Reword", () => this.#reword(row, step)),
      tool("delete", "Delete", () => this.#tell("remove", { key: step.key })),
    ];
  }

  #reword(row, step) {
    this.#editing = step.key;
    const input = make("input", { type: "text", value: step.wording, maxLength: 300, className: "td-step-input" });
    input.setAttribute("aria-label", `Words of step ${step.number ?? ""}`);
    const wording = row.querySelector(".td-step-wording");
    wording.replaceChildren(input);
    input.focus();
    input.select();
    const finish = (keep) => {
      if (this.#editing !== step.key) return;
      this.#editing = null;
      const words = input.value.trim();
      wording.replaceChildren(keep && words ? words : step.wording);
      this.#rows.get(step.key).drawn = "";
      if (keep && words !== step.wording) this.#tell("edit", { key: step.key, wording: words });
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        finish(event.key === "Enter");
      }
    });
    input.addEventListener("blur", () => finish(true));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define("step-list", StepList);
