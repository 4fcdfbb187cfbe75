// <job-events> in <job-live>: what happened, newest last, in words; the raw event on demand.
// The newest are drawn, earlier ones on demand: a job may have many thousands.

import { make } from "./dom.js";
import { eventWords } from "./event-words.js";
import { count, timeOfDay } from "./words.js";

const PAGE = 300;
const KEPT = 20000;

class JobEvents extends HTMLElement {
  #list = make("ol", { className: "td-events" });
  #older = make("p", { className: "td-quiet td-pad td-actions", hidden: true });
  #fresh = [];
  #kept = [];
  // The first `#from` of what is kept are not drawn; `#limit` is the most that are.
  #from = 0;
  #limit = PAGE;
  #total = 0;
  #dropped = 0;

  connectedCallback() {
    this.replaceChildren(this.#older, this.#list);
    this.closest("job-live").addEventListener("job-event", ({ detail }) => {
      this.#total += 1;
      this.#fresh.push(detail);
      if (this.#fresh.length === 1) requestAnimationFrame(() => this.#flush());
    });
  }

  #flush() {
    for (const event of this.#fresh.splice(0)) {
      // Progress that follows progress takes its line: a thousand steps are one fact.
      if (event.type === "job.progressed" && this.#kept.at(-1)?.type === event.type) this.#kept.pop();
      this.#kept.push(event);
    }
    const over = Math.max(0, this.#kept.length - KEPT);
    this.#kept.splice(0, over);
    this.#dropped += over;
    this.#from = Math.max(0, this.#kept.length - this.#limit);
    const lines = this.#list.children;
    const seq = (line) => Number(line.dataset.seq);
    while (lines.length && seq(lines[0]) < this.#kept[this.#from].seq) lines[0].remove();
    while (lines.length && seq(lines[lines.length - 1]) !== this.#kept[this.#from + lines.length - 1]?.seq) lines[lines.length - 1].remove();
    this.#list.append(...this.#kept.slice(this.#from + lines.length).map((event) => this.#line(event)));
    this.#say();
  }

  #say() {
    this.closest("td-tabs")?.count("events", this.#total);
    const parts = [];
    if (this.#from) {
      const more = make("button", { type: "button", className: "td-button", textContent: `Show ${count(Math.min(PAGE, this.#from), "earlier event")}` });
      more.addEventListener("click", () => this.#showEarlier());
      parts.push(more, `${count(this.#from, "event")} before these.`);
    }
    if (this.#dropped) parts.push(`${count(this.#dropped, "event")} before that left out here.`);
    if (parts.length) parts.push(make("a", { className: "td-link", href: `/api/jobs/${this.#kept[0].jobId}/events?limit=1000`, textContent: "Read them as JSON" }));
    this.#older.replaceChildren(...parts);
    this.#older.hidden = !parts.length;
  }

  #showEarlier() {
    const to = this.#from;
    this.#from = Math.max(0, to - PAGE);
    this.#limit += to - this.#from;
    this.#list.prepend(...this.#kept.slice(this.#from, to).map((event) => this.#line(event)));
    this.#say();
  }

  #line(event) {
    const summary = make(
      "summary",
      {},
      make("time", { className: "td-event-at", dateTime: event.at, title: new Date(event.at).toLocaleString(), textContent: timeOfDay(event.at) }),
      make("span", { className: "td-event-words", textContent: eventWords(event) }),
      make("code", { className: "td-kind", textContent: event.type }),
    );
    const details = make("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const { cursor, ...raw } = event;
      details.append(make("pre", { className: "td-json", textContent: JSON.stringify(raw, null, 2) }));
    });
    return make("li", { dataset: { type: event.type, seq: event.seq } }, details);
  }
}

customElements.define("job-events", JobEvents);
