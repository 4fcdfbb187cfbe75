// <job-live job="id" source="id of JSON">: the one socket of a job's page.
//
// Hands every event, from the first, to the elements inside it as "job-event"; and the job
// itself, whenever it changes, as "job" (detail: the job as the API describes it).

import { embedded } from "./dom.js";
import { JobSocket } from "./job-socket.js";

class JobLive extends HTMLElement {
  #socket = null;
  #job = null;

  connectedCallback() {
    this.#job = embedded(this.getAttribute("source"));
    this.#socket = new JobSocket({ job: this.getAttribute("job") });
    this.#socket.addEventListener("job-event", ({ detail }) => this.#take(detail));
    this.#socket.open();
    this.dispatchEvent(new CustomEvent("job", { detail: this.#job }));
  }

  disconnectedCallback() {
    this.#socket?.close();
  }

  get job() {
    return this.#job;
  }

  #take(event) {
    this.dispatchEvent(new CustomEvent("job-event", { detail: event }));
    // The page was drawn from the row: events up to there are history, not news.
    if (event.seq <= this.#job.lastSeq) return;
    if (event.type === "job.state_changed" || event.type === "job.created") {
      this.#job = { ...event.data, lastSeq: event.seq };
    } else if (event.type === "job.progressed") {
      this.#job = { ...this.#job, progress: event.data, lastSeq: event.seq };
    } else if (event.type === "job.cancel_requested") {
      this.#job = { ...this.#job, cancelRequestedAt: event.at, cancelReason: event.data.reason, lastSeq: event.seq };
    } else if (event.type === "job.cancel_forced") {
      this.#job = { ...this.#job, cancelForcedAt: event.at, lastSeq: event.seq };
    } else if (event.type === "job.metadata_edited") {
      this.#job = { ...event.data.job, lastSeq: event.seq };
    } else {
      return;
    }
    this.dispatchEvent(new CustomEvent("job", { detail: this.#job }));
  }
}

customElements.define("job-live", JobLive);
