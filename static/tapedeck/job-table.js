// <job-table source="id of JSON" after="cursor" limit="10" base="/admin/jobs/job/">: the newest jobs, live.

import { embedded, make } from "./dom.js";
import "./job-status.js";
import { JobSocket } from "./job-socket.js";
import "./td-duration.js";
import "./td-time.js";

class JobTable extends HTMLElement {
  #socket = null;
  #rows = new Map();
  #body = make("tbody");

  connectedCallback() {
    if (this.firstChild) return;
    const head = make("tr", {}, ...["State", "Job", "Kind", "Owner", "Queued", "Duration"].map((word) => make("th", { textContent: word })));
    this.className = "td-scroll";
    this.append(make("table", { className: "td-table" }, make("thead", {}, head), this.#body));
    for (const job of embedded(this.getAttribute("source")).reverse()) this.#show(job);
    this.#socket = new JobSocket({ job: "*", after: this.getAttribute("after"), types: ["job.created", "job.state_changed", "job.cancel_requested"] });
    this.#socket.addEventListener("job-event", ({ detail: event }) => this.#take(event));
    this.#socket.open();
  }

  disconnectedCallback() {
    this.#socket?.close();
  }

  #take(event) {
    if (event.type === "job.cancel_requested") {
      const row = this.#rows.get(event.jobId);
      if (row) this.#show({ ...row.job, cancelRequestedAt: event.at });
      return;
    }
    this.#show(event.data);
    dispatchEvent(new CustomEvent("tapedeck:job", { detail: event }));
  }

  #show(job) {
    let row = this.#rows.get(job.id);
    if (!row) {
      // Ids sort by time: only a newer job belongs on top.
      const newest = [...this.#rows.keys()].sort().at(-1);
      if (newest && job.id < newest) return;
      row = this.#row(job);
      this.#rows.set(job.id, row);
      // The first of all: what a new user reads in its place has done its part.
      this.closest("[data-recent]").hidden = false;
      document.querySelector("[data-no-jobs]")?.remove();
      this.#body.prepend(row.element);
      const limit = Number(this.getAttribute("limit"));
      while (this.#body.children.length > limit) {
        this.#rows.delete(this.#body.lastElementChild.dataset.job);
        this.#body.lastElementChild.remove();
      }
    }
    row.job = job;
    row.status.show(job);
    row.took.setAttribute("start", job.startedAt ?? "");
    row.took.setAttribute("end", job.finishedAt ?? "");
  }

  #row(job) {
    const status = document.createElement("job-status");
    const took = document.createElement("td-duration");
    const queued = make("td-time", { attributes: { datetime: job.createdAt } });
    const link = make("a", { href: `${this.getAttribute("base")}${job.id}/change/`, textContent: job.name || job.kind, className: "td-strong" });
    const element = make(
      "tr",
      { dataset: { job: job.id } },
      make("td", {}, status),
      make("td", { className: "td-name" }, link),
      make("td", {}, make("code", { className: "td-kind", textContent: job.kind })),
      make("td", { textContent: job.ownerName }),
      make("td", {}, queued),
      make("td", {}, took),
    );
    return { element, status, took, job };
  }
}

customElements.define("job-table", JobTable);
