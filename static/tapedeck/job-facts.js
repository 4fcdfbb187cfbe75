// <job-facts> in <job-live>: the head of a job's page, kept true.

import { make } from "./dom.js";
import "./job-status.js";
import { reasonWords, TERMINAL } from "./words.js";

function flat(values, prefix = "") {
  return Object.entries(values ?? {}).flatMap(([name, value]) =>
    value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length
      ? flat(value, `${prefix}${name} › `)
      : [[`${prefix}${name}`, value]],
  );
}

function shown(value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" ? "–" : String(value);
}

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
    const took = this.querySelector("td-duration");
    took.setAttribute("start", job.startedAt ?? "");
    took.setAttribute("end", job.finishedAt ?? "");
    for (const name of ["result", "metrics"]) {
      const rows = flat(job[name]).map(([label, value]) => make("div", {}, make("dt", { textContent: label }), make("dd", { textContent: shown(value) })));
      const none = TERMINAL.has(job.status) ? "Nothing." : "Nothing yet.";
      const values = rows.length ? make("dl", { className: "td-values" }, ...rows) : make("p", { className: "td-quiet", textContent: none });
      this.closest("job-live").querySelector(`[data-fact="${name}"]`).replaceChildren(values);
    }
  }

  #text(name, text) {
    const element = this.querySelector(`[data-fact="${name}"]`);
    element.textContent = text ?? "";
    element.hidden = !text;
  }
}

customElements.define("job-facts", JobFacts);
