// <job-timeline source="id of JSON"> in <job-live>: attempts, the waits between them (for a retry's
// backoff, then for a worker) and what they were busy with, as bars on one scale of real time.

import { embedded, make } from "./dom.js";
import { Spans } from "./job-spans.js";
import { absolute, clock, count, reasonWords, TERMINAL, timeOfDay } from "./words.js";

// Of each attempt; more than that nobody compares by eye.
const ROWS = 150;
// Distances between marks of the axis, in seconds, that a clock has names for.
const NICE = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const MARKS = 6;

class JobTimeline extends HTMLElement {
  #attempts = new Map();
  #spans = new Spans();
  // Attempt → until when the next one had to wait; 0: before the first.
  #notBefore = new Map();
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
    if ((event.type === "job.state_changed" || event.type === "job.created") && event.data.status === "queued" && event.data.runAfter) {
      this.#notBefore.set(event.data.attempt, new Date(event.data.runAfter));
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
    const shown = [this.#axis(scale, job), ...kept.values(), this.#scale(begin, finish, job)];
    // Elements stay where nothing came or went, so that what one points at stays too.
    if (shown.length !== this.children.length || shown.some((one, at) => this.children[at] !== one)) this.replaceChildren(...shown);
  }

  #rows(job, begin, finish) {
    const lines = [];
    const ended = TERMINAL.has(job.status);
    const wait = (key, from, to, over, after) => {
      const until = this.#notBefore.get(after);
      const held = until && until > from ? new Date(Math.min(until, to)) : from;
      const bars = [];
      const backoff = after ? "Backoff before the next attempt" : "Held until its time";
      if (held > from) bars.push({ from, to: held, outcome: "backoff", why: backoff });
      if (to > held) bars.push({ from: held, to, outcome: "wait", why: "Waiting for a free worker" });
      const word = held < to ? (over ? "Waited" : "Waiting") : after ? "Backoff" : "Held";
      const note = held > from && held < to ? `${clock(held - from)} ${after ? "backoff" : "held"}, ${clock(to - held)} for a worker` : "";
      lines.push({ key, word, note, bars });
    };
    let waitedFrom = begin;
    for (const attempt of [...this.#attempts.values()].sort((a, b) => a.number - b.number)) {
      if (waitedFrom && attempt.start - waitedFrom > 0) wait(`wait ${attempt.number}`, waitedFrom, attempt.start, true, attempt.number - 1);
      const end = attempt.end ?? this.#attempts.get(attempt.number + 1)?.start ?? finish;
      const why = [attempt.worker, reasonWords(attempt.reason)].filter(Boolean).join(" · ");
      const note = attempt.outcome.replaceAll("_", " ");
      lines.push({ key: `attempt ${attempt.number}`, word: `Attempt ${attempt.number}`, note, bars: [{ from: attempt.start, to: end, outcome: attempt.outcome, why }] });
      lines.push(...this.#inside(attempt.number, end));
      waitedFrom = attempt.end;
    }
    if (waitedFrom && !ended) wait("wait", waitedFrom, finish, false, this.#attempts.size);
    if (!lines.length) wait("wait", begin, finish, ended, 0);
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

  /** Marks at round times since the job was queued; the same distances are lines in every track. */
  #axis({ begin, span }, job) {
    const seconds = span / 1000;
    const step = NICE.find((each) => seconds / each <= MARKS) ?? Math.ceil(seconds / MARKS / 86400) * 86400;
    this.style.setProperty("--td-tick", `${(step / seconds) * 100}%`);
    const marks = [];
    for (let at = 0; at <= seconds; at += step) {
      const share = at / seconds;
      // A word at the very end would hang over.
      if (share > 0.94) break;
      const mark = make("span", { textContent: at ? `+${step < 1 ? `${at.toFixed(step < 0.1 ? 2 : 1)} s` : clock(at * 1000).replace(/\.0 s$/, " s")}` : "0", title: absolute(new Date(begin.getTime() + at * 1000)) });
      mark.style.left = `${share * 100}%`;
      marks.push(mark);
    }
    const known = this.querySelector(":scope > .td-line-axis");
    const line = known ?? make("div", { className: "td-line td-line-scale td-line-axis" }, make("span"), make("span", { className: "td-axis" }), make("span"));
    line.children[0].textContent = TERMINAL.has(job.status) ? "Since queued" : "Since queued, live";
    line.children[1].replaceChildren(...marks);
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
