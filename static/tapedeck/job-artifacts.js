// <job-artifacts source="id of JSON" url="/api/…/artifacts"> in <job-live>: the files, once they may
// be seen; pictures, films and text open in place.

import { embedded, icon, make } from "./dom.js";
import "./td-copy.js";
import { bytes, TERMINAL } from "./words.js";

// As many as the page carries (jobs/admin/jobs.py) and the API gives at once.
const EMBEDDED = 1000;
const PAGE = 200;
// Of a text file; more is a download.
const TEXT_BYTES = 200000;
const PICTURES = new Set(["image/gif", "image/jpeg", "image/png", "image/webp"]);
const FILMS = new Set(["video/mp4", "video/webm"]);
const ICONS = [[PICTURES, "image"], [FILMS, "movie"]];

function typeOf(artifact) {
  return artifact.contentType.split(";")[0].trim().toLowerCase();
}

function isText(type) {
  return type.startsWith("text/") || /^application\/(json|x-ndjson|xml|x-yaml|yaml|javascript)$/.test(type) || type.endsWith("+json") || type === "image/svg+xml";
}

class JobArtifacts extends HTMLElement {
  #ended = null;
  #making = 0;
  #viewer = null;

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
    const table = make("div", { className: "td-scroll" }, make("table", { className: "td-table" }, make("thead", {}, head), body));
    this.#viewer = make("div", { className: "td-viewer", hidden: true });
    this.replaceChildren(this.#bar(artifacts), this.#viewer, table, foot);
  }

  #bar(artifacts) {
    const whole = artifacts.reduce((sum, each) => sum + each.sizeBytes, 0);
    const words = make("span", { className: "td-quiet", textContent: `${artifacts.length.toLocaleString("en")} ${artifacts.length === 1 ? "file" : "files"}, ${bytes(whole)}` });
    const zip = this.getAttribute("zip");
    const all = zip ? [make("a", { className: "td-button", href: zip, download: "", title: "All files in one archive" }, icon("folder_zip"), "Download all")] : [];
    return make("div", { className: "td-card-head" }, words, ...all);
  }

  #row(artifact) {
    const type = typeOf(artifact);
    const picture = ICONS.find(([types]) => types.has(type))?.[1] ?? (isText(type) ? "description" : "draft");
    const shown = PICTURES.has(type) || FILMS.has(type) || isText(type);
    const name = shown
      ? make("button", { type: "button", textContent: artifact.path, className: "td-strong td-plain-button", title: "Look at it here" })
      : make("a", { href: artifact.url, textContent: artifact.path, className: "td-strong", target: "_blank" });
    if (shown) name.addEventListener("click", () => this.#preview(artifact, type));
    const open = make("a", { href: artifact.url, title: `Open ${artifact.path} in a tab`, className: "td-icon-link", target: "_blank" }, icon("open_in_new"));
    const download = make("a", { href: `${artifact.url}?download`, title: `Download ${artifact.path}`, className: "td-icon-link" }, icon("download"));
    return make(
      "tr",
      {},
      make("td", { className: "td-name" }, make("span", { className: "td-file" }, icon(picture), name)),
      make("td", { textContent: artifact.kind }),
      make("td", { className: "td-right", textContent: bytes(artifact.sizeBytes) }),
      make("td", {}, make("code", { className: "td-kind", title: artifact.sha256, textContent: artifact.sha256.slice(0, 12) })),
      make("td", { className: "td-right" }, make("span", { className: "td-row-tools" }, open, download)),
    );
  }

  async #preview(artifact, type) {
    const close = make("button", { type: "button", className: "td-icon-button", title: "Close", ariaLabel: "Close" }, icon("close"));
    close.addEventListener("click", () => {
      this.#viewer.hidden = true;
      this.#viewer.replaceChildren();
    });
    const body = make("div", { className: "td-viewer-body" });
    this.#viewer.replaceChildren(make("div", { className: "td-card-head" }, make("span", { className: "td-strong", textContent: artifact.path }), close), body);
    this.#viewer.hidden = false;
    this.#viewer.scrollIntoView({ block: "nearest" });
    if (PICTURES.has(type)) body.append(make("img", { src: artifact.url, alt: artifact.path, loading: "lazy" }));
    else if (FILMS.has(type)) body.append(make("video", { src: artifact.url, controls: true }));
    else body.append(await this.#text(artifact, type));
  }

  /** The file's text, never as markup; the first part of a long one, which is said. */
  async #text(artifact, type) {
    try {
      const headers = artifact.sizeBytes > TEXT_BYTES ? { Range: `bytes=0-${TEXT_BYTES - 1}` } : {};
      const answer = await fetch(artifact.url, { headers });
      if (!answer.ok) return make("p", { className: "td-problem", textContent: (await answer.json()).detail });
      let text = await answer.text();
      const cut = artifact.sizeBytes > TEXT_BYTES;
      if (!cut && /json$/.test(type)) {
        try {
          text = JSON.stringify(JSON.parse(text), null, 2);
        } catch {
          // Not what its type says: shown as it is.
        }
      }
      const note = cut ? [make("p", { className: "td-quiet td-pad", textContent: `The first ${bytes(TEXT_BYTES)} of ${bytes(artifact.sizeBytes)}. Download it to see the rest.` })] : [];
      return make("div", {}, make("pre", { className: "td-json", textContent: text }), ...note);
    } catch {
      return make("p", { className: "td-problem", textContent: "The console could not be reached." });
    }
  }
}

customElements.define("job-artifacts", JobArtifacts);
