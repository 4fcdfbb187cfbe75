// <job-log> in <job-live>: the output of all attempts, numbered; follows the end until one scrolls
// away from it. A line's number is its address: #L12.

import { plain, span, styled } from "./ansi.js";
import { icon, make } from "./dom.js";
import "./td-copy.js";
import { count } from "./words.js";

// Kept for searching and copying, and drawn at once.
const KEPT = 200000;
const DRAWN = 3000;
const STEP = 1000;
const WAIT_MS = 150;

const plainOf = (line) => (line.plain ??= plain(line.text));

class JobLog extends HTMLElement {
  // {number, text, stream, attempt}; `number` counts all lines of the job from 1.
  #lines = [];
  #pending = [];
  #total = 0;
  #attempts = new Set();
  #wanted = "";
  // Which of the shown lines are drawn: [from, to).
  #from = 0;
  #to = 0;
  #target = null;
  #matches = [];
  #match = -1;
  #box = make("div", { className: "td-log", tabIndex: 0, role: "log", ariaLabel: "Log" });
  #earlier = make("button", { type: "button", className: "td-button td-log-more", hidden: true });
  #later = make("button", { type: "button", className: "td-button td-log-more", hidden: true });
  #rows = make("div", { className: "td-log-lines" });
  #follow = make("input", { type: "checkbox", checked: true });
  #word = make("span", { className: "td-quiet", role: "status" });
  #attempt = make("select", { className: "td-select", ariaLabel: "Attempt", hidden: true });
  #search = make("input", { type: "search", className: "td-input", placeholder: "Search the log", ariaLabel: "Search the log", autocomplete: "off" });
  #found = make("span", { className: "td-quiet td-log-found", role: "status" });
  #needle = "";
  #timer = 0;
  #frame = 0;

  connectedCallback() {
    if (this.firstChild) return;
    this.#build();
    const tabs = this.closest("td-tabs");
    tabs?.addEventListener("tab", () => this.#toEnd());
    addEventListener("hashchange", this.#addressed);
    this.closest("job-live").addEventListener("job-event", ({ detail: event }) => {
      if (event.type !== "log") return;
      this.#pending.push(...event.data.lines.map((text) => ({ text: String(text), stream: event.data.stream, attempt: event.attempt })));
      if (this.#pending.length) this.#frame ||= requestAnimationFrame(() => this.#flush());
    });
    this.#addressed();
  }

  disconnectedCallback() {
    removeEventListener("hashchange", this.#addressed);
  }

  #build() {
    const copy = make("td-copy", { attributes: { label: "Copy" } });
    copy.source = () => this.#shown().map(plainOf).join("\n");
    const download = make("a", { className: "td-button", href: this.getAttribute("url") ?? "", download: this.getAttribute("file") ?? "job.log", title: "Download the whole log as text" }, icon("download"), "Download");
    const step = (name, title, by) => {
      const button = make("button", { type: "button", className: "td-icon-button", title, ariaLabel: title }, icon(name));
      button.addEventListener("click", () => this.#step(by));
      return button;
    };
    const finder = make("span", { className: "td-log-finder" }, this.#search, this.#found, step("keyboard_arrow_up", "Match before", -1), step("keyboard_arrow_down", "Next match", 1));
    const tools = make("span", { className: "td-actions" }, this.#attempt, make("label", { className: "td-check" }, this.#follow, "Follow"), copy, download);
    this.replaceChildren(make("div", { className: "td-card-head td-log-head" }, this.#word, finder, tools), this.#box);
    this.#box.append(this.#earlier, this.#rows, this.#later);
    this.#say();
    this.#follow.addEventListener("change", () => this.#toEnd());
    this.#box.addEventListener("scroll", () => {
      const atEnd = this.#to >= this.#shown().length && this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < 30;
      if (this.#box.clientHeight) this.#follow.checked = atEnd;
    });
    this.#earlier.addEventListener("click", () => this.#reveal(Math.max(0, this.#from - STEP), this.#to));
    this.#later.addEventListener("click", () => this.#reveal(this.#from, this.#to + STEP));
    this.#attempt.addEventListener("change", () => {
      this.#wanted = this.#attempt.value;
      this.#look();
      this.#window(this.#shown().length - DRAWN);
      this.#toEnd();
    });
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#searched(), WAIT_MS);
    });
    this.#search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      clearTimeout(this.#timer);
      if (this.#search.value.toLowerCase() !== this.#needle) this.#searched();
      else this.#step(event.shiftKey ? -1 : 1);
    });
  }

  #shown() {
    return this.#wanted ? this.#lines.filter((line) => String(line.attempt) === this.#wanted) : this.#lines;
  }

  #flush() {
    this.#frame = 0;
    const lines = this.#pending.splice(0);
    const atEnd = this.#to >= this.#shown().length;
    for (const line of lines) {
      this.#total += 1;
      this.#lines.push({ ...line, number: this.#total });
      this.#knowAttempt(line.attempt);
    }
    const over = Math.max(0, this.#lines.length - KEPT);
    if (over) this.#lines.splice(0, over);
    this.#say();
    this.closest("td-tabs")?.count("log", this.#total);
    this.#look();
    if (this.#target && this.#total >= this.#target && !this.#rows.querySelector(".td-log-target")) this.#goTo(this.#target);
    else if (over || (atEnd && this.#follow.checked)) this.#window(this.#shown().length - DRAWN);
    else if (atEnd && this.#to - this.#from < DRAWN) this.#draw();
    else this.#edges();
    this.#toEnd();
  }

  #knowAttempt(number) {
    if (this.#attempts.has(number)) return;
    this.#attempts.add(number);
    const option = (value, textContent) => make("option", { value, textContent });
    this.#attempt.replaceChildren(option("", "All attempts"), ...[...this.#attempts].sort((a, b) => a - b).map((each) => option(String(each), `Attempt ${each}`)));
    this.#attempt.value = this.#wanted;
    this.#attempt.hidden = this.#attempts.size < 2;
  }

  /** Draw DRAWN lines from `from` on. */
  #window(from) {
    this.#from = Math.max(0, from);
    this.#to = this.#from;
    this.#draw(DRAWN);
  }

  #draw(most = DRAWN) {
    const shown = this.#shown();
    this.#to = Math.min(shown.length, this.#from + most);
    const wanted = shown.slice(this.#from, this.#to);
    const rows = this.#rows.children;
    const same = rows.length <= wanted.length && (!rows.length || (Number(rows[0].dataset.number) === wanted[0].number && Number(rows[rows.length - 1].dataset.number) === wanted[rows.length - 1].number));
    if (same) this.#rows.append(...wanted.slice(rows.length).map((line) => this.#row(line)));
    else this.#rows.replaceChildren(...wanted.map((line) => this.#row(line)));
    this.#edges();
  }

  #reveal(from, to) {
    const before = this.#box.scrollHeight - this.#box.scrollTop;
    const grown = from < this.#from;
    this.#from = from;
    this.#rows.replaceChildren();
    this.#draw(to - from);
    if (grown) this.#box.scrollTop = this.#box.scrollHeight - before;
  }

  #edges() {
    const length = this.#shown().length;
    this.#earlier.hidden = this.#from === 0;
    this.#earlier.textContent = `Show earlier lines (${this.#from.toLocaleString("en")})`;
    this.#later.hidden = this.#to >= length;
    this.#later.textContent = `Show later lines (${(length - this.#to).toLocaleString("en")})`;
  }

  #row(line) {
    const link = make("a", { className: "td-log-number", href: `#L${line.number}`, textContent: line.number, title: `${line.stream}, attempt ${line.attempt}`, tabIndex: -1 });
    const text = make("span", { className: "td-log-text" });
    this.#write(text, line);
    const row = make("div", { id: `L${line.number}`, dataset: { number: line.number, stream: line.stream } }, link, text);
    if (line.number === this.#target) row.classList.add("td-log-target");
    return row;
  }

  #write(element, line) {
    const needle = this.#needle;
    if (!needle || !plainOf(line).toLowerCase().includes(needle)) {
      element.replaceChildren(...styled(line.text).map(span));
      return;
    }
    // A match is shown in the line's plain text: it may begin in one colour and end in another.
    const text = plainOf(line);
    const lower = text.toLowerCase();
    const parts = [];
    let at = 0;
    for (let found = lower.indexOf(needle); found >= 0; found = lower.indexOf(needle, at)) {
      parts.push(text.slice(at, found), make("mark", { textContent: text.slice(found, found + needle.length) }));
      at = found + needle.length;
    }
    element.replaceChildren(...parts, text.slice(at));
  }

  #addressed = () => {
    const found = /^#L(\d+)$/.exec(location.hash);
    if (!found) return;
    this.#target = Number(found[1]);
    this.#follow.checked = false;
    if (this.#target <= this.#total) this.#goTo(this.#target);
  };

  #goTo(number) {
    let at = this.#shown().findIndex((line) => line.number === number);
    if (at < 0) {
      // Of another attempt than the chosen one.
      this.#wanted = this.#attempt.value = "";
      at = this.#lines.findIndex((line) => line.number === number);
      if (at < 0) return;
    }
    if (at < this.#from || at >= this.#to) this.#window(at - DRAWN / 2);
    for (const row of this.#rows.querySelectorAll(".td-log-target")) row.classList.remove("td-log-target");
    const row = this.#rows.querySelector(`[data-number="${number}"]`);
    row?.classList.add("td-log-target");
    // Not scrollIntoView: it would scroll the page, too.
    if (row) this.#box.scrollTop = row.offsetTop - this.#box.clientHeight / 2;
  }

  #look() {
    this.#matches = this.#needle ? this.#shown().filter((line) => plainOf(line).toLowerCase().includes(this.#needle)).map((line) => line.number) : [];
    this.#match = Math.min(this.#match, this.#matches.length - 1);
    this.#sayFound();
  }

  #searched() {
    this.#needle = this.#search.value.toLowerCase();
    this.#match = -1;
    this.#look();
    this.#rows.replaceChildren();
    this.#draw(Math.max(DRAWN, this.#to - this.#from));
    if (this.#matches.length) this.#step(1);
    else if (!this.#needle) this.#toEnd();
  }

  #step(by) {
    if (!this.#matches.length) return;
    this.#match = (this.#match + by + this.#matches.length) % this.#matches.length;
    this.#follow.checked = false;
    this.#target = this.#matches[this.#match];
    this.#goTo(this.#target);
    this.#sayFound();
  }

  #sayFound() {
    if (!this.#needle) this.#found.textContent = "";
    else if (!this.#matches.length) this.#found.textContent = "No match";
    else this.#found.textContent = `${Math.max(this.#match + 1, 1).toLocaleString("en")} of ${this.#matches.length.toLocaleString("en")}`;
  }

  #say() {
    if (!this.#total) this.#word.textContent = "No output yet.";
    else if (this.#total > this.#lines.length) this.#word.textContent = `The last ${KEPT.toLocaleString("en")} of ${count(this.#total, "line")}`;
    else this.#word.textContent = count(this.#total, "line");
  }

  #toEnd() {
    if (!this.#follow.checked) {
      if (this.#target && this.#box.clientHeight && !this.#box.scrollTop) this.#goTo(this.#target);
      return;
    }
    this.#box.scrollTop = this.#box.scrollHeight;
  }
}

customElements.define("job-log", JobLog);
