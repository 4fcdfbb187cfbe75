// <source-sync job="id">: what the job at work on a source does, live; the page is shown anew at its end.

import { icon, make } from "./dom.js";
import { JobSocket } from "./job-socket.js";
import { TERMINAL } from "./words.js";

const NEWS = 8;
const ICONS = { added: "add", changed: "edit", removed: "remove", failed: "error" };
const COUNTS = { added: "added", changed: "changed", unchanged: "unchanged", removed: "removed", failed: "failed", empty: "without text" };

class SourceSync extends HTMLElement {
  #socket = null;

  connectedCallback() {
    const job = this.getAttribute("job");
    const said = make("span", { role: "status", textContent: this.getAttribute("queued") === "queued" ? "Waiting for a worker…" : "At work…" });
    const link = make("a", { className: "td-link", href: `/admin/jobs/job/${job}/change/`, textContent: "Job and log" });
    const bar = make("progress", { className: "td-progress" });
    const counts = make("div", { className: "src-counts" });
    const news = make("ul", { className: "src-news" });
    this.replaceChildren(make("div", { className: "td-actions" }, said, link), bar, counts, news);
    this.#socket = new JobSocket({ job });
    this.#socket.addEventListener("job-event", ({ detail: { type, data } }) => {
      const what = type.startsWith("sync.document_") ? type.slice("sync.document_".length) : "";
      if (what) this.#tell(news, what, data.documents);
      else if (type === "sync.counted") this.#count(counts, data);
      else if (type === "attempt.started") said.textContent = data.number > 1 ? `At work, attempt ${data.number}…` : "At work…";
      else if (type === "job.cancel_requested") said.textContent = "Ending…";
      else if (type === "job.progressed") {
        if (data.total) {
          bar.max = data.total;
          bar.value = data.done;
        }
        said.textContent = data.total ? `${data.done} of ${data.total} ${data.unit}` : `${data.done} ${data.unit}`;
      } else if (type === "job.state_changed" && TERMINAL.has(data.status)) {
        this.#socket.close();
        location.reload();
      }
    });
    this.#socket.open();
  }

  disconnectedCallback() {
    this.#socket?.close();
  }

  #count(counts, data) {
    const shown = Object.entries(COUNTS).filter(([name]) => data[name]);
    counts.replaceChildren(...shown.map(([name, word]) => make("span", {}, make("strong", { textContent: data[name].toLocaleString("en") }), ` ${word}`)));
  }

  #tell(news, what, documents) {
    for (const each of documents.slice(-NEWS)) {
      const words = each.title || each.key;
      const line = make("li", { dataset: { what } }, icon(ICONS[what] ?? "info"), make("span", { textContent: what === "failed" ? `${words}: ${each.message}` : words }));
      news.prepend(line);
    }
    while (news.childElementCount > NEWS) news.lastElementChild.remove();
  }
}

customElements.define("source-sync", SourceSync);
