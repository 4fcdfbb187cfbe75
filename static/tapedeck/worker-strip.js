// <worker-strip> in <td-dashboard>: the workers that are alive, and what each is at.

import { make } from "./dom.js";
import "./td-duration.js";

class WorkerStrip extends HTMLElement {
  connectedCallback() {
    this.closest("td-dashboard").addEventListener("overview", ({ detail }) => this.#show(detail.workers, detail.moreWorkers));
  }

  #show(workers, more) {
    if (!workers.length) {
      this.replaceChildren(make("p", { className: "td-quiet td-pad", textContent: "No worker is alive." }));
      return;
    }
    const rows = workers.map((worker) => {
      const doing = worker.url ? make("a", { className: "td-link", href: worker.url, textContent: worker.job }) : make("span", { className: "td-quiet", textContent: worker.busy ? "a job of somebody else" : "idle" });
      const since = worker.since ? [make("td-duration", { attributes: { start: worker.since, end: "" } })] : [];
      return make("li", { dataset: { busy: String(worker.busy) }, title: worker.name }, make("span", { className: "td-worker-queue", textContent: worker.queue }), make("span", { className: "td-worker-doing" }, doing), ...since);
    });
    this.replaceChildren(make("ul", { className: "td-workers" }, ...rows), ...(more ? [make("p", { className: "td-quiet td-pad", textContent: "And more." })] : []));
  }
}

customElements.define("worker-strip", WorkerStrip);
