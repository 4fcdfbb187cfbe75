// <job-artifacts source="id of JSON" url="/api/…/artifacts"> in <job-live>: the files, once they may be seen.

import { embedded, icon, make } from "./dom.js";
import "./td-copy.js";
import { bytes, TERMINAL } from "./words.js";

// As many as the page carries (jobs/admin/jobs.py) and the API gives at once.
const EMBEDDED = 1000;
const PAGE = 200;

class JobArtifacts extends HTMLElement {
  #ended = null;
  #making = 0;

  connectedCallback() {
    const live = this.closest("job-live");
    const here = embedded(this.getAttribute("source"));
    this.#show(here, null);
    if (here.length >= EMBEDDED) this.#read();
    live.addEventListener("job-event", ({ detail: event }) => {
      if (event.type === "attempt.started") this.#making = 0;
      if (event.type !== "artifact.added") return;
      this.#making += 1;
      if (!TERMINAL.has(live.job?.status)) this.#show([], live.job);
    });
    live.addEventListener("job", ({ detail: job }) => {
      const ended = TERMINAL.has(job.status);
      if (ended && this.#ended === false) this.#read();
      else if (this.#ended === null) this.#show(embedded(this.getAttribute("source")), job);
      this.#ended = ended;
    });
  }

  async #read() {
    const found = [];
    let next = `${this.getAttribute("url")}?limit=1000`;
    while (next) {
      const answer = await fetch(next);
      if (!answer.ok) return;
      const page = await answer.json();
      found.push(...page.results);
      next = page.next;
    }
    this.#show(found, this.closest("job-live").job);
  }

  #show(artifacts, job) {
    this.closest("td-tabs")?.count("artifacts", artifacts.length);
    if (!artifacts.length) {
      const running = job && !TERMINAL.has(job.status);
      const some = this.#making ? `${this.#making} so far. ` : "";
      this.replaceChildren(make("p", { className: "td-quiet td-pad", textContent: running ? `${some}Files are shown when the attempt has ended.` : "This job left no files." }));
      return;
    }
    const body = make("tbody");
    const more = make("button", { type: "button", className: "td-button" });
    const foot = make("p", { className: "td-pad" }, more);
    const add = () => {
      const from = body.children.length;
      body.append(...artifacts.slice(from, from + PAGE).map((artifact) => this.#row(artifact)));
      const left = artifacts.length - body.children.length;
      more.textContent = `Show ${Math.min(left, PAGE)} more of ${left.toLocaleString("en")}`;
      foot.hidden = !left;
    };
    more.addEventListener("click", add);
    add();
    const head = make("tr", {}, ...["File", "Kind", "Size", "SHA-256", ""].map((word) => make("th", { textContent: word, className: word === "Size" ? "td-right" : "" })));
    this.replaceChildren(make("div", { className: "td-scroll" }, make("table", { className: "td-table" }, make("thead", {}, head), body)), foot);
  }

  #row(artifact) {
    const name = make("a", { href: artifact.url, textContent: artifact.path, className: "td-strong", target: "_blank" });
    const download = make("a", { href: `${artifact.url}?download`, title: `Download ${artifact.path}`, className: "td-icon-link" }, icon("download"));
    return make(
      "tr",
      {},
      make("td", { className: "td-name" }, name),
      make("td", { textContent: artifact.kind }),
      make("td", { className: "td-right", textContent: bytes(artifact.sizeBytes) }),
      make("td", {}, make("code", { className: "td-kind", title: artifact.sha256, textContent: artifact.sha256.slice(0, 12) })),
      make("td", { className: "td-right" }, download),
    );
  }
}

customElements.define("job-artifacts", JobArtifacts);
