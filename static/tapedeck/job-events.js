// <job-events> in <job-live>: what happened, newest last, in words; filtered by what it is about,
// the whole event on demand. The newest are drawn, earlier ones on demand: there may be many thousands.

import { plain } from "./ansi.js";
import { make } from "./dom.js";
import { eventWords } from "./event-words.js";
import { tree } from "./td-tree.js";
import "./td-copy.js";
import { absolute, count, timeOfDay } from "./words.js";

const PAGE = 300;
const KEPT = 20000;
const TOPICS = { job: "Job", attempt: "Attempts", artifact: "Files", log: "Output" };

function topicOf(event) {
  return event.type === "job.progressed" ? "progress" : event.type.split(".")[0];
}

function topicWords(topic) {
  return TOPICS[topic] ?? `${topic[0].toUpperCase()}${topic.slice(1)}`;
}

class JobEvents extends HTMLElement {
  #list = make("ol", { className: "td-events" });
  #older = make("p", { className: "td-quiet td-pad td-actions", hidden: true });
  #filters = make("div", { className: "td-card-head td-event-filters", role: "group", ariaLabel: "Show events about" });
  #none = make("p", { className: "td-quiet td-pad", textContent: "No events yet." });
  #fresh = [];
  #kept = [];
  // Topics that are not shown, and how many events each has.
  #hidden = new Set();
  #topics = new Map();
  // The first `#from` of what is shown are not drawn; `#limit` is the most that are.
  #from = 0;
  #limit = PAGE;
  #total = 0;
  #dropped = 0;

  connectedCallback() {
    this.replaceChildren(this.#filters, this.#older, this.#list, this.#none);
    this.#filters.hidden = true;
    this.closest("job-live").addEventListener("job-event", ({ detail }) => {
      this.#total += 1;
      this.#fresh.push(detail);
      if (this.#fresh.length === 1) requestAnimationFrame(() => this.#flush());
    });
  }

  #shown() {
    return this.#hidden.size ? this.#kept.filter((event) => !this.#hidden.has(topicOf(event))) : this.#kept;
  }

  #flush() {
    for (const event of this.#fresh.splice(0)) {
      const topic = topicOf(event);
      this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1);
      // Progress that follows progress takes its line: a thousand steps are one fact.
      if (event.type === "job.progressed" && this.#kept.at(-1)?.type === event.type) this.#kept.pop();
      this.#kept.push(event);
    }
    const over = Math.max(0, this.#kept.length - KEPT);
    this.#kept.splice(0, over);
    this.#dropped += over;
    this.#drawFilters();
    this.#draw();
  }

  #draw() {
    const shown = this.#shown();
    this.#from = Math.max(0, shown.length - this.#limit);
    const lines = this.#list.children;
    const seq = (line) => Number(line.dataset.seq);
    while (lines.length && seq(lines[0]) < (shown[this.#from]?.seq ?? Infinity)) lines[0].remove();
    while (lines.length && seq(lines[lines.length - 1]) !== shown[this.#from + lines.length - 1]?.seq) lines[lines.length - 1].remove();
    this.#list.append(...shown.slice(this.#from + lines.length).map((event) => this.#line(event)));
    this.#say(shown);
  }

  #drawFilters() {
    this.#filters.hidden = this.#topics.size < 2;
    for (const [topic, number] of this.#topics) {
      let button = this.#filters.querySelector(`[data-topic="${CSS.escape(topic)}"]`);
      if (!button) {
        button = make("button", { type: "button", className: "td-pill", dataset: { topic }, ariaPressed: "true" }, topicWords(topic), make("small", {}));
        button.addEventListener("click", (event) => this.#toggle(topic, event.altKey));
        this.#filters.append(button);
      }
      button.lastElementChild.textContent = number.toLocaleString("en");
    }
  }

  #toggle(topic, alone) {
    if (alone) this.#hidden = new Set([...this.#topics.keys()].filter((each) => each !== topic));
    else if (!this.#hidden.delete(topic)) this.#hidden.add(topic);
    for (const button of this.#filters.children) button.ariaPressed = String(!this.#hidden.has(button.dataset.topic));
    this.#limit = PAGE;
    this.#list.replaceChildren();
    this.#draw();
  }

  #say(shown) {
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
    this.#none.hidden = shown.length > 0;
    this.#none.textContent = this.#total ? "No event of the chosen ones." : "No events yet.";
  }

  #showEarlier() {
    const shown = this.#shown();
    const to = this.#from;
    this.#from = Math.max(0, to - PAGE);
    this.#limit += to - this.#from;
    this.#list.prepend(...shown.slice(this.#from, to).map((event) => this.#line(event)));
    this.#say(shown);
  }

  #line(event) {
    const summary = make(
      "summary",
      {},
      make("time", { className: "td-event-at", dateTime: event.at, title: absolute(new Date(event.at)), textContent: timeOfDay(event.at) }),
      make("span", { className: "td-event-words", textContent: eventWords(event) }),
      make("code", { className: "td-kind", textContent: event.type }),
    );
    const details = make("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(this.#whole(event));
    });
    return make("li", { dataset: { type: event.type, seq: event.seq } }, details);
  }

  #whole(event) {
    const { cursor, ...raw } = event;
    const copy = make("td-copy", { attributes: { label: "Copy JSON" } });
    copy.source = () => JSON.stringify(raw, null, 2);
    const about = [`Number ${event.seq}`, absolute(new Date(event.at)), event.attempt ? `attempt ${event.attempt}` : "of no attempt"].join(" · ");
    const shown = event.type === "log" ? make("pre", { className: "td-json", textContent: event.data.lines.map(plain).join("\n") }) : tree(event.data);
    return make("div", { className: "td-event-whole" }, make("div", { className: "td-event-about" }, make("span", { className: "td-quiet", textContent: about }), copy), shown);
  }
}

customElements.define("job-events", JobEvents);
