// <document-reading job="id">: follows the job that reads the document; the page is shown anew at its end.

import { make } from "./dom.js";
import { TERMINAL } from "./words.js";

class DocumentReading extends HTMLElement {
  #source = null;

  connectedCallback() {
    const job = this.getAttribute("job");
    const bar = make("progress", { className: "td-progress" });
    const said = make("span", { className: "td-quiet", role: "status", textContent: "Waiting for a worker to read it…" });
    const link = make("a", { className: "td-link", href: `/admin/jobs/job/${job}/change/`, textContent: "Job" });
    this.replaceChildren(make("div", { className: "td-actions" }, said, link), bar);
    this.#source = new EventSource(`/api/jobs/events?job=${job}`);
    const told = (event) => {
      const { type, data } = JSON.parse(event.data);
      if (type === "job.progressed") {
        if (data.total) bar.max = data.total;
        if (data.total) bar.value = data.done;
        said.textContent = data.total ? `Reading: ${data.done} of ${data.total} ${data.unit}` : `Reading: ${data.done} ${data.unit}`;
      }
      if (type === "attempt.started") said.textContent = "Reading…";
      if (type === "job.state_changed" && TERMINAL.has(data.status)) {
        this.#source.close();
        location.reload();
      }
    };
    this.#source.addEventListener("message", told);
    for (const type of ["job.progressed", "attempt.started", "job.state_changed"]) this.#source.addEventListener(type, told);
  }

  disconnectedCallback() {
    this.#source?.close();
  }
}

customElements.define("document-reading", DocumentReading);
