// <job-timeline source="id of JSON"> in <job-live>: attempts, the waits between them and what they
// were busy with, as bars on one scale.

import { embedded, make } from "./dom.js";
import { Spans } from "./job-spans.js";
import { clock, count, reasonWords, TERMINAL, timeOfDay } from "./words.js";

// Of each attempt; more than that nobody compares by eye.
const ROWS = 150;

class JobTimeline extends HTMLElement {
  #attempts = new Map();
  #spans = new Spans();
  #lines = new Map();
  #timer = 0;
  #frame = 0;

  connectedCallback() {
    const live = this.closest("job-live");
    for (const row of embedded(this.getAttribute("source"))) {
      this.#attempts.set(row.number, { ...row, start: new Date(row.startedAt), end: row.endedAt ? new Date(row.endedAt) : null });
    }
    live.addEventListener("job-event", ({ detail }) => this.#take(detail));
    live.addEventListener("job", () => this.#soon());
    this.closest("td-tabs")?.addEventListener("tab", () => this.#soon());
    // Running bars grow.
    this.#timer = setInterval(() => {
      if (!TERMINAL.has(live.job?.status)) this.#soon();
    }, 1000);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  #take(event) {
    const { number } = event.data;
    if (event.type === "attempt.started" && !this.#attempts.has(number)) {
      this.#attempts.set(number, { number, start: new Date(event.at), end: null, outcome: "running", worker: event.data.worker });
    } else if (event.type === "attempt.ended") {
      const attempt = this.#attempts.get(number);
      if (attempt) Object.assign(attempt, { end: new Date(event.at), outcome: event.data.outcome, reason: event.data.reason });
    }
    if (this.#spans.take(event) || event.type.startsWith("attempt.")) this.#soon();
  }

  #soon() {
    // Thousands of events come at once when the page opens.
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.checkVisibility()) this.#draw();
    });
  }

  #draw() {
    const job = this.closest("job-live").job;
    if (!job) return;
    const begin = new Date(job.createdAt);
    const finish = job.finishedAt ? new Date(job.finishedAt) : new Date();
    const lines = this.#rows(job, begin, finish);
    const scale = { begin, span: Math.max(finish - begin, 1) };
    const kept = new Map();
    for (const line of lines) kept.set(line.key, this.#line(line, scale));
    this.#lines = kept;
    const shown = [...kept.values(), this.#scale(begin, finish, job)];
    // Elements stay where nothing came or went, so that what one points at stays too.
    if (shown.length !== this.children.length || shown.some((one, at) => this.children[at] !== one)) this.replaceChildren(...shown);
  }

  #rows(job, begin, finish) {
    const lines = [];
    const ended = TERMINAL.has(job.status);
    const wait = (key, from, to, over) => lines.push({ key, word: over ? "Waited" : "Waiting", note: "", bars: [{ from, to, outcome: "wait", why: "" }] });
    let waitedFrom = begin;
    for (const attempt of [...this.#attempts.values()].sort((a, b) => a.number - b.number)) {
      if (waitedFrom && attempt.start - waitedFrom > 0) wait(`wait ${attempt.number}`, waitedFrom, attempt.start, true);
      const end = attempt.end ?? this.#attempts.get(attempt.number + 1)?.start ?? finish;
      const why = [attempt.worker, reasonWords(attempt.reason)].filter(Boolean).join(" · ");
      const note = attempt.outcome.replaceAll("_", " ");
      lines.push({ key: `attempt ${attempt.number}`, word: `Attempt ${attempt.number}`, note, bars: [{ from: attempt.start, to: end, outcome: attempt.outcome, why }] });
      lines.push(...this.#inside(attempt.number, end));
      waitedFrom = attempt.end;
    }
    if (waitedFrom && !ended) wait("wait", waitedFrom, finish, false);
    if (!lines.length) wait("wait", begin, finish, ended);
    return lines;
  }

  #inside(number, end) {
    const rows = this.#spans.of(number);
    const things = rows.filter((row) => !row.phase);
    const out = new Set(things.slice(0, -ROWS));
    const lines = rows.filter((row) => !out.has(row)).map((row) => ({
      key: row.key,
      inner: true,
      word: row.word,
      note: row.bars.at(-1).why,
      bars: row.bars.map((bar) => ({ ...bar, to: bar.to ?? end })),
    }));
    if (out.size) lines.push({ key: `left ${number}`, inner: true, word: `${count(out.size, "earlier one")} left out`, note: "", bars: [] });
    return lines;
  }

  #line({ key, word, note, inner, bars }, { begin, span }) {
    const known = this.#lines.get(key);
    const line = known ?? make("div", { className: `td-line${inner ? " td-line-inner" : ""}${bars.length ? "" : " td-line-bare"}`, dataset: { key } }, make("span", { className: "td-line-word" }), make("span", { className: "td-track" }), make("span", { className: "td-line-took" }));
    const [label, track, took] = line.children;
    label.title = inner ? word : "";
    label.replaceChildren(make("span", { textContent: word }), ...(note ? [make("small", { textContent: note, title: note })] : []));
    track.replaceChildren(
      ...bars.map(({ from, to, outcome, why }) => {
        const bar = make("span", { className: "td-bar", title: [`${timeOfDay(from)}, ${clock(to - from)}`, why].filter(Boolean).join("\n"), dataset: { outcome } });
        // The narrowest bar at the very end must lie inside, too.
        bar.style.left = `min(${((from - begin) / span) * 100}%, 100% - 3px)`;
        bar.style.width = `max(3px, ${((to - from) / span) * 100}%)`;
        return bar;
      }),
    );
    took.textContent = bars.length ? clock(bars.reduce((sum, { from, to }) => sum + (to - from), 0)) : "";
    return line;
  }

  #scale(begin, finish, job) {
    const ends = [timeOfDay(begin).slice(0, 8), job.finishedAt ? timeOfDay(finish).slice(0, 8) : "now"];
    return make(
      "div",
      { className: "td-line td-line-scale" },
      make("span", { textContent: "" }),
      make("span", { className: "td-scale" }, ...ends.map((textContent) => make("span", { textContent }))),
      make("span", { textContent: clock(finish - begin) }),
    );
  }
}

customElements.define("job-timeline", JobTimeline);
