// <job-events> in <job-live>: what happened, newest last, in words; the raw event on demand.

import { make } from "./dom.js";
import { eventWords } from "./event-words.js";
import { count, timeOfDay } from "./words.js";

const SHOWN = 2000;

class JobEvents extends HTMLElement {
  #list = make("ol", { className: "td-events" });
  #older = make("p", { className: "td-quiet td-pad", hidden: true });
  #pending = [];
  #dropped = 0;
  #total = 0;
  #last = null;

  connectedCallback() {
    this.replaceChildren(this.#older, this.#list);
    this.closest("job-live").addEventListener("job-event", ({ detail }) => {
      this.#pending.push(detail);
      if (this.#pending.length === 1) requestAnimationFrame(() => this.#flush());
    });
  }

  #flush() {
    const events = this.#pending.splice(0);
    this.#total += events.length;
    for (const event of events.slice(-SHOWN)) this.#add(event);
    this.#dropped += Math.max(0, events.length - SHOWN);
    while (this.#list.children.length > SHOWN) {
      this.#list.firstElementChild.remove();
      this.#dropped += 1;
    }
    if (this.#dropped) {
      const link = make("a", { className: "td-link", href: `/api/jobs/${events[0].jobId}/events`, textContent: "Read them as JSON" });
      this.#older.replaceChildren(`${count(this.#dropped, "earlier event")} left out here. `, link);
      this.#older.hidden = false;
    }
    this.closest("td-tabs")?.count("events", this.#total);
  }

  #add(event) {
    // Progress that follows progress takes its line: a thousand steps are one fact.
    if (event.type === "job.progressed" && this.#last?.type === event.type) this.#list.lastElementChild?.remove();
    this.#last = event;
    const words = make("span", { className: "td-event-words", textContent: eventWords(event) });
    const summary = make(
      "summary",
      {},
      make("time", { className: "td-event-at", dateTime: event.at, title: new Date(event.at).toLocaleString(), textContent: timeOfDay(event.at) }),
      words,
      make("code", { className: "td-kind", textContent: event.type }),
    );
    const details = make("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const { cursor, ...raw } = event;
      details.append(make("pre", { className: "td-json", textContent: JSON.stringify(raw, null, 2) }));
    });
    this.#list.append(make("li", { dataset: { type: event.type, seq: event.seq } }, details));
  }
}

customElements.define("job-events", JobEvents);
