// <job-facts> in <job-live>: the head of a job's page, kept true.

import { make } from "./dom.js";
import "./job-status.js";
import { reasonWords, TERMINAL } from "./words.js";

class JobFacts extends HTMLElement {
  connectedCallback() {
    this.closest("job-live").addEventListener("job", ({ detail: job }) => this.#show(job));
  }

  #show(job) {
    this.querySelector("job-status").show(job);
    this.#text("reason", reasonWords(job.reason));
    this.#text("error", job.error);
    this.#text("cancel", job.cancelRequestedAt ? `Cancelling was asked for${job.cancelReason ? `: ${job.cancelReason}` : "."}` : "");
    this.#text("attempt", `${job.attempt} of ${job.maxAttempts}`);
    this.#text("worker", job.worker || "–");
    for (const button of this.querySelectorAll("[data-when]")) button.hidden = !button.dataset.when.split(" ").includes(job.status);
    const took = this.querySelector("td-duration");
    took.setAttribute("start", job.startedAt ?? "");
    took.setAttribute("end", job.finishedAt ?? "");
    for (const name of ["options", "result", "metrics"]) {
      const shown = this.closest("job-live").querySelector(`td-tree[data-fact="${name}"]`);
      if (!shown || JSON.stringify(shown.value) === JSON.stringify(job[name])) continue;
      shown.setAttribute("none", name === "options" ? "This job takes no options." : TERMINAL.has(job.status) ? "Nothing." : "Nothing yet.");
      shown.show(job[name]);
    }
    const title = this.querySelector('[data-fact="title"]');
    if (title) title.textContent = job.name || job.kind;
    const tags = this.querySelector('[data-fact="tags"]');
    if (tags) {
      tags.replaceChildren(...job.tags.map((tag) => make("a", { className: "td-tag", href: `${tags.dataset.base}${encodeURIComponent(tag)}`, textContent: tag })));
      tags.hidden = !job.tags.length;
    }
    this.#text("priority", String(job.priority));
  }

  #text(name, text) {
    const element = this.querySelector(`[data-fact="${name}"]`);
    element.textContent = text ?? "";
    element.hidden = !text;
  }
}

customElements.define("job-facts", JobFacts);
