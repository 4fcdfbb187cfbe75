// <job-list-live after="cursor">: keeps the states in the job list true, and says when there are new jobs.

import { make } from "./dom.js";
import "./job-status.js";
import { JobSocket } from "./job-socket.js";
import { count, reasonWords } from "./words.js";

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
  }

  #take(event) {
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
