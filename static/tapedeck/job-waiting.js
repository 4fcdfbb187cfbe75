// <job-waiting url="…"> in <job-live>: why a queued job does not run yet, asked again while it waits.

import { make } from "./dom.js";

const EVERY_MS = 4000;

class JobWaiting extends HTMLElement {
  #timer = 0;

  connectedCallback() {
    this.closest("job-live").addEventListener("job", ({ detail: job }) => {
      if (job.status === "queued") this.#timer ||= setInterval(() => this.#ask(), EVERY_MS);
      else this.#stop();
    });
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.hidden = true;
  }

  async #ask() {
    try {
      const answer = await fetch(this.getAttribute("url"), { headers: { Accept: "application/json" } });
      if (!answer.ok || !this.#timer) return;
      const { why } = await answer.json();
      this.hidden = !why.length;
      this.replaceChildren(make("ul", {}, ...why.map((textContent) => make("li", { textContent }))));
    } catch {
      // Offline: the banner says so.
    }
  }
}

customElements.define("job-waiting", JobWaiting);
