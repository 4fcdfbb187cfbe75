// <job-status status="running" stopping>: the state of a job as a coloured word.

import { STATUS_WORDS, reasonWords } from "./words.js";

class JobStatus extends HTMLElement {
  static observedAttributes = ["status", "stopping"];

  attributeChangedCallback() {
    const status = this.getAttribute("status");
    this.textContent = this.hasAttribute("stopping") ? "Stopping" : (STATUS_WORDS[status] ?? status);
  }

  /** Show a job as its events and the API describe it. */
  show(job) {
    this.setAttribute("status", job.status);
    this.toggleAttribute("stopping", job.status === "running" && Boolean(job.cancelRequestedAt));
    this.title = reasonWords(job.reason);
  }
}

customElements.define("job-status", JobStatus);
