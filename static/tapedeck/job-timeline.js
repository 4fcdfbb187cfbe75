// <job-timeline source="id of JSON"> in <job-live>: attempts and the waits between them, as bars on one scale.

import { embedded, make } from "./dom.js";
import { clock, reasonWords, TERMINAL, timeOfDay } from "./words.js";

class JobTimeline extends HTMLElement {
  #attempts = new Map();
  #timer = 0;

  connectedCallback() {
    const live = this.closest("job-live");
    for (const row of embedded(this.getAttribute("source"))) {
      this.#attempts.set(row.number, { ...row, start: new Date(row.startedAt), end: row.endedAt ? new Date(row.endedAt) : null });
    }
    live.addEventListener("job-event", ({ detail }) => this.#take(detail));
    live.addEventListener("job", () => this.#draw());
    // Running bars grow.
    this.#timer = setInterval(() => {
      if (!TERMINAL.has(live.job?.status)) this.#draw();
    }, 1000);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #take(event) {
    const { number } = event.data;
    if (event.type === "attempt.started") {
      if (this.#attempts.has(number)) return; // drawn from its row already
      this.#attempts.set(number, { number, start: new Date(event.at), end: null, outcome: "running", worker: event.data.worker });
    } else if (event.type === "attempt.ended") {
      const attempt = this.#attempts.get(number);
      if (attempt) Object.assign(attempt, { end: new Date(event.at), outcome: event.data.outcome, reason: event.data.reason });
    } else {
      return;
    }
    this.#draw();
  }

  #draw() {
    const job = this.closest("job-live").job;
    if (!job) return;
    const begin = new Date(job.createdAt);
    const finish = job.finishedAt ? new Date(job.finishedAt) : new Date();
    const span = Math.max(finish - begin, 1);
    const rows = [];
    let waitedFrom = begin;
    for (const attempt of [...this.#attempts.values()].sort((a, b) => a.number - b.number)) {
      if (waitedFrom && attempt.start - waitedFrom > 0) rows.push(this.#row("Waited", waitedFrom, attempt.start, "wait", begin, span, ""));
      const end = attempt.end ?? this.#attempts.get(attempt.number + 1)?.start ?? finish;
      const title = [attempt.worker, reasonWords(attempt.reason)].filter(Boolean).join(" · ");
      const word = `Attempt ${attempt.number}`;
      rows.push(this.#row(word, attempt.start, end, attempt.outcome, begin, span, title));
      waitedFrom = attempt.end;
    }
    if (waitedFrom && !TERMINAL.has(job.status)) rows.push(this.#row("Waiting", waitedFrom, finish, "wait", begin, span, ""));
    if (!rows.length) rows.push(this.#row(TERMINAL.has(job.status) ? "Waited" : "Waiting", begin, finish, "wait", begin, span, ""));
    const scale = make(
      "div",
      { className: "td-line td-line-scale" },
      make("span", { textContent: "" }),
      make("span", { className: "td-scale" }, make("span", { textContent: timeOfDay(begin).slice(0, 8) }), make("span", { textContent: job.finishedAt ? timeOfDay(finish).slice(0, 8) : "now" })),
      make("span", { textContent: clock(span) }),
    );
    this.replaceChildren(...rows, scale);
  }

  #row(word, from, to, outcome, begin, span, title) {
    const bar = make("span", { className: "td-bar", title, dataset: { outcome } });
    bar.style.left = `${((from - begin) / span) * 100}%`;
    bar.style.width = `max(2px, ${((to - from) / span) * 100}%)`;
    const label = make("span", { className: "td-line-word", textContent: word });
    if (outcome !== "wait") label.append(make("small", { textContent: outcome.replaceAll("_", " ") }));
    return make("div", { className: "td-line" }, label, make("span", { className: "td-track" }, bar), make("span", { className: "td-line-took", textContent: clock(to - from) }));
  }
}

customElements.define("job-timeline", JobTimeline);
