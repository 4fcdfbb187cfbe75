// <job-progress> in <job-live>: how far the job is; nothing where it does not say.

import { make } from "./dom.js";
import { TERMINAL } from "./words.js";

class JobProgress extends HTMLElement {
  #bar = make("progress", { className: "td-progress" });
  #text = make("span", { className: "td-quiet" });

  connectedCallback() {
    this.hidden = true;
    this.replaceChildren(this.#bar, this.#text);
    this.closest("job-live").addEventListener("job", ({ detail }) => this.#show(detail));
  }

  #show({ status, progress }) {
    const { done, total, unit } = progress;
    this.hidden = !done && !total;
    if (total) {
      this.#bar.max = total;
      this.#bar.value = Math.min(done, total);
    } else {
      this.#bar.removeAttribute("value");
    }
    // A bar without an end would move for ever on a job that has ended.
    this.#bar.hidden = !total && (TERMINAL.has(status) || status === "queued");
    this.#text.textContent = `${done.toLocaleString("en")}${total ? ` of ${total.toLocaleString("en")}` : ""} ${unit}`.trim();
  }
}

customElements.define("job-progress", JobProgress);
