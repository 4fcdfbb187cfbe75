// <job-list-live after="cursor">: keeps the states in the job list and the numbers above it true, and
// says when there are new jobs.

import { make } from "./dom.js";
import "./job-status.js";
import { JobSocket } from "./job-socket.js";
import { count, reasonWords } from "./words.js";

const SETTLE_MS = 1500;

class JobListLive extends HTMLElement {
  #socket = null;
  #added = 0;
  #link = make("a", { className: "td-new-rows", href: location.href, hidden: true });

  connectedCallback() {
    this.append(this.#link);
    this.#socket = new JobSocket({ job: "*", after: this.getAttribute("after"), types: ["job.created", "job.state_changed", "job.cancel_requested"] });
    this.#socket.addEventListener("job-event", ({ detail: event }) => this.#take(event));
    this.#socket.open();
  }

  disconnectedCallback() {
    this.#socket?.close();
    clearTimeout(this.#counted);
  }

  #counted = 0;

  /** The numbers on the states' chips, read anew once the changes of a moment are over. */
  #count() {
    const nav = document.querySelector("[data-counts]");
    if (!nav || this.#counted) return;
    this.#counted = setTimeout(async () => {
      this.#counted = 0;
      try {
        const answer = await fetch(nav.dataset.counts, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const counts = await answer.json();
        for (const link of nav.querySelectorAll("[data-status]")) {
          const number = link.querySelector("small");
          if (number) number.textContent = counts[link.dataset.status];
        }
      } catch {
        // Offline: the banner says so.
      }
    }, SETTLE_MS);
  }

  #take(event) {
    this.#count();
    if (event.type === "job.created") {
      this.#added += 1;
      this.#link.textContent = `${count(this.#added, "new job")}. Show`;
      this.#link.hidden = false;
      return;
    }
    const id = CSS.escape(event.jobId);
    const status = document.querySelector(`job-status[data-job="${id}"]`);
    if (!status) return;
    if (event.type === "job.cancel_requested") {
      status.toggleAttribute("stopping", status.getAttribute("status") === "running");
      return;
    }
    status.show(event.data);
    const why = document.querySelector(`[data-why="${id}"]`);
    if (why) why.textContent = reasonWords(event.data.reason);
    const took = document.querySelector(`td-duration[data-job="${id}"]`);
    took?.setAttribute("start", event.data.startedAt ?? "");
    took?.setAttribute("end", event.data.finishedAt ?? "");
  }
}

customElements.define("job-list-live", JobListLive);
