// <td-shortcuts>: the keyboard, everywhere; "?" shows what there is.

import { make } from "./dom.js";

const GO = { d: ["Dashboard", "/admin/"], j: ["Jobs", "/admin/jobs/job/"], n: ["New job", "/admin/jobs/job/new/"], s: ["System", "/admin/system/"] };
const LIST = [
  ["j / k", "next / previous job"],
  ["Enter or o", "open it"],
  ["x", "select it"],
  ["/", "search"],
  ["r", "show what is new"],
  ["1 – 6", "All, Queued, Running, …"],
];
const PAGE = [
  ["1 – 6", "Timeline, Events, Log, …"],
  ["/", "search the log"],
  ["i", "copy the job's id"],
];
const PATIENCE_MS = 1200;

class TdShortcuts extends HTMLElement {
  #going = 0;
  #dialog = null;

  connectedCallback() {
    addEventListener("keydown", this.#pressed);
  }

  disconnectedCallback() {
    removeEventListener("keydown", this.#pressed);
  }

  #pressed = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog[open], live-screen")) return;
    const { key } = event;
    if (this.#going) {
      clearTimeout(this.#going);
      this.#going = 0;
      if (GO[key]) {
        event.preventDefault();
        location.href = GO[key][1];
      }
      return;
    }
    if (key === "g") {
      this.#going = setTimeout(() => {
        this.#going = 0;
      }, PATIENCE_MS);
    } else if (key === "?") {
      event.preventDefault();
      this.#show();
    } else if (this.#here(key)) {
      event.preventDefault();
    }
  };

  /** Whether the key did something on this very page. */
  #here(key) {
    if (document.querySelector("job-live")) return this.#onPage(key);
    return document.querySelector("job-list-live") ? this.#onList(key) : false;
  }

  #onPage(key) {
    if (key === "/") {
      document.getElementById("tab-log")?.click();
      document.querySelector("job-log input[type=search]")?.focus();
      return true;
    }
    if (key === "i") return click("td-copy[value] button");
    return /^[1-9]$/.test(key) && click(`.td-tabs [role=tab]:nth-child(${key})`);
  }

  #onList(key) {
    if (key === "/") {
      document.querySelector(".td-filters [name=q]")?.focus();
      return true;
    }
    if (key === "r") return click(".td-new-rows:not([hidden])");
    if (/^[1-6]$/.test(key)) return click(`.td-pills a:nth-of-type(${key})`);
    const rows = [...document.querySelectorAll("#result_list tbody tr:has(job-status)")];
    if (!rows.length) return false;
    const at = rows.findIndex((row) => row.classList.contains("td-at"));
    if (key === "j" || key === "k") {
      const to = rows[Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), rows.length - 1)];
      for (const row of rows) row.classList.toggle("td-at", row === to);
      to.scrollIntoView({ block: "nearest" });
      return true;
    }
    if (at < 0) return false;
    if (key === "x") {
      rows[at].querySelector(".action-select")?.click();
      return true;
    }
    if (key === "Enter" || key === "o") {
      location.href = rows[at].querySelector("a[href*='/change/']").href;
      return true;
    }
    return false;
  }

  #show() {
    if (!this.#dialog) {
      const table = (title, rows) => [make("h3", { textContent: title }), make("dl", { className: "td-keys" }, ...rows.map(([key, word]) => make("div", {}, make("dt", {}, ...key.split(" ").map((part) => (/^(or|\/|–)$/.test(part) && key !== "/" ? ` ${part} ` : make("kbd", { textContent: part })))), make("dd", { textContent: word }))))];
      const close = make("button", { className: "td-button", textContent: "Close" });
      const everywhere = [["?", "these shortcuts"], ...Object.entries(GO).map(([key, [word]]) => [`g ${key}`, word])];
      this.#dialog = make("dialog", { className: "td-dialog" }, make("form", { method: "dialog" }, make("h2", { textContent: "Keyboard" }), ...table("Everywhere", everywhere), ...table("In the list of jobs", LIST), ...table("On a job's page", PAGE), close));
      document.body.append(this.#dialog);
    }
    this.#dialog.showModal();
  }
}

function click(selector) {
  const element = document.querySelector(selector);
  element?.click();
  return Boolean(element);
}

customElements.define("td-shortcuts", TdShortcuts);
