// <document-viewer source="id of JSON" url="/api/documents/…" version="n">: pages with thumbnails, and
// beside them what was read; a click on a text or cell marks its place on the page.
// The address names a place: #page-3, or #page-3:120-180 (offsets in the text).

import { embedded, icon, make } from "./dom.js";
import { count } from "./words.js";

const ADDRESS = /^#page-(\d+)(?::(\d+)-(\d+))?$/;

class DocumentViewer extends HTMLElement {
  #pages = [];
  #at = 0;
  #sheet = make("div", { className: "doc-sheet" });
  #text = make("div", { className: "doc-text" });
  #where = make("span");
  #asked = 0;
  #unread = "";

  connectedCallback() {
    if (this.#pages.length) return;
    const manifest = embedded(this.getAttribute("source"));
    this.#pages = manifest.pages;
    if (!manifest.isRead) this.#unread = manifest.message || "The document has not been read yet.";
    this.classList.toggle("doc-no-pictures", !manifest.drawable);
    this.classList.toggle("doc-one", this.#pages.length === 1);
    this.append(this.#thumbs());
    if (manifest.drawable) this.append(make("div", {}, this.#pager(), this.#sheet));
    this.append(make("div", {}, ...(manifest.drawable ? [] : [this.#pager()]), this.#facts(manifest), this.#text));
    addEventListener("hashchange", () => this.#follow());
    if (!this.#follow()) this.#show(0);
  }

  #follow() {
    const found = ADDRESS.exec(location.hash);
    const at = found ? this.#pages.findIndex((page) => page.number === Number(found[1])) : -1;
    if (at < 0) return false;
    this.#show(at, found[2] ? [Number(found[2]), Number(found[3])] : null);
    return true;
  }

  #thumbs() {
    const buttons = this.#pages.map((page, at) => {
      const name = page.name || `${page.number}`;
      const picture = page.thumbUrl ? [make("img", { src: page.thumbUrl, loading: "lazy", alt: "", width: 104 })] : [];
      if (picture.length && page.width && page.height) picture[0].style.aspectRatio = `${page.width} / ${page.height}`;
      const label = page.hidden ? `${name} (hidden)` : name;
      const button = make("button", { type: "button", className: "doc-thumb", ariaLabel: `Page ${name}` }, ...picture, label);
      button.addEventListener("click", () => this.#show(at));
      return button;
    });
    return make("nav", { className: "doc-thumbs", ariaLabel: "Pages" }, ...buttons);
  }

  #pager() {
    if (this.#pages.length < 2) return make("div");
    const before = make("button", { type: "button", className: "td-button", ariaLabel: "Previous page" }, icon("chevron_left"));
    const after = make("button", { type: "button", className: "td-button", ariaLabel: "Next page" }, icon("chevron_right"));
    before.addEventListener("click", () => this.#show(Math.max(0, this.#at - 1)));
    after.addEventListener("click", () => this.#show(Math.min(this.#pages.length - 1, this.#at + 1)));
    return make("div", { className: "doc-pager" }, before, this.#where, after);
  }

  #facts({ metadata, attachments }) {
    if (!attachments?.length && !Object.keys(metadata ?? {}).length) return make("div");
    const rows = Object.entries(metadata).map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value })));
    const files = (attachments ?? []).map((each) => make("li", { textContent: `${each.name} (${each.mediaType}, ${each.sizeBytes.toLocaleString("en")} bytes)` }));
    const more = files.length ? [make("p", { className: "doc-table-head", textContent: count(files.length, "attachment") }), make("ul", {}, ...files)] : [];
    return make("details", { className: "td-card", open: files.length > 0 }, make("summary", { textContent: "What the file says of itself" }), make("dl", { className: "td-facts" }, ...rows), ...more);
  }

  async #show(at, span = null) {
    this.#at = at;
    const page = this.#pages[at];
    this.querySelectorAll(".doc-thumb").forEach((button, index) => {
      button.setAttribute("aria-current", String(index === at));
      if (index === at) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    this.#where.textContent = `${page.name && page.name !== String(page.number) ? `${page.name} · ` : ""}${page.number} of ${this.#pages.length}`;
    if (page.imageUrl) this.#picture(page);
    await this.#read(page, span);
  }

  #picture(page) {
    const image = make("img", { alt: `Page ${page.number}` });
    if (page.width && page.height) {
      image.width = Math.round(page.width);
      image.height = Math.round(page.height);
    }
    image.addEventListener("error", async () => {
      const answer = await fetch(page.imageUrl).catch(() => null);
      const problem = await answer?.json().catch(() => null);
      this.#sheet.replaceChildren(make("p", { className: "doc-sheet-note", textContent: problem?.detail ?? "The picture of this page could not be loaded." }));
    });
    image.src = page.imageUrl;
    this.#sheet.replaceChildren(image);
  }

  async #read(page, span) {
    if (this.#unread) {
      this.#text.replaceChildren(make("p", { className: "td-quiet", textContent: this.#unread }));
      return;
    }
    const turn = (this.#asked += 1);
    this.#text.replaceChildren(make("p", { className: "td-quiet", textContent: "Loading…" }));
    const answer = await fetch(`${this.getAttribute("url")}/preview/text?page=${page.number}&version=${this.getAttribute("version")}`).catch(() => null);
    const told = await answer?.json().catch(() => null);
    if (turn !== this.#asked) return;
    if (!answer?.ok) {
      this.#text.replaceChildren(make("p", { className: "td-quiet", textContent: told?.detail ?? "The text could not be loaded." }));
      return;
    }
    const parts = told.blocks.map((block) => this.#block(block, page));
    if (page.ocr) parts.unshift(make("p", { className: "td-quiet", textContent: "Read from the picture of the page: check what matters." }));
    for (const table of told.tables) parts.push(...this.#table(table, page));
    if (told.blocksLeftOut) parts.push(make("p", { className: "td-quiet", textContent: `${told.blocksLeftOut.toLocaleString("en")} more pieces of text are in the file.` }));
    if (!parts.length) parts.push(make("p", { className: "td-quiet", textContent: "There is no text on this page." }));
    this.#text.replaceChildren(...parts);
    this.#text.scrollTop = 0;
    if (span) this.#choose([...this.#text.querySelectorAll(".doc-block")].find((each) => Number(each.dataset.start) < span[1] && span[0] < Number(each.dataset.end)));
  }

  #block(block, page) {
    const made = make("p", { className: "doc-block", textContent: block.text, dataset: { kind: block.kind, level: block.level, start: block.start, end: block.end } });
    if (block.kind === "list_item") made.style.marginInlineStart = `${Math.min(block.level - 1, 6) * 16}px`;
    this.#placed(made, block.bbox, page, `#page-${page.number}:${block.start}-${block.end}`);
    return made;
  }

  #placed(element, bbox, page, address = "") {
    if (bbox) element.dataset.bbox = bbox.join(" ");
    if (!(bbox && page.imageUrl) && !address) return;
    element.dataset.placed = "";
    element.addEventListener("click", () => {
      if (getSelection().toString()) return;
      this.#choose(element);
      if (address) history.replaceState(null, "", address);
    });
  }

  #choose(element) {
    this.querySelectorAll(".doc-chosen").forEach((each) => each.classList.remove("doc-chosen"));
    this.#sheet.querySelector(".doc-mark")?.remove();
    if (!element) return;
    element.classList.add("doc-chosen");
    element.scrollIntoView({ block: "nearest" });
    const page = this.#pages[this.#at];
    if (!element.dataset.bbox || !page.width || !page.imageUrl) return;
    const [x0, top, x1, bottom] = element.dataset.bbox.split(" ").map(Number);
    const mark = make("div", { className: "doc-mark" });
    const share = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(mark.style, { left: share(x0 - 2, page.width), top: share(top - 2, page.height), width: share(x1 - x0 + 4, page.width), height: share(bottom - top + 4, page.height) });
    this.#sheet.append(mark);
    mark.scrollIntoView({ block: "nearest" });
  }

  #table(table, page) {
    const hiddenRows = new Set(table.hiddenRows);
    const covered = new Set();
    const body = make("tbody");
    table.rows.forEach((row, at) => {
      const line = make("tr", {}, make("th", { scope: "row", textContent: at + 1 }));
      row.forEach((cell, col) => {
        if (covered.has(`${at},${col}`)) return;
        const made = make("td", { textContent: cell?.text ?? "" });
        if (cell) {
          made.rowSpan = cell.rowspan ?? 1;
          made.colSpan = cell.colspan ?? 1;
          for (let down = 0; down < made.rowSpan; down += 1) for (let right = 0; right < made.colSpan; right += 1) covered.add(`${at + down},${col + right}`);
          if (cell.hidden || hiddenRows.has(at)) made.className = "doc-hidden-cell";
          if (cell.formula) made.dataset.formula = cell.formula;
          if (cell.comment) made.dataset.comment = cell.comment;
          const hints = [cell.cell, cell.formula, cell.comment, cell.hidden && "hidden"].filter(Boolean);
          if (hints.length) made.title = hints.join("\n");
          if (cell.bbox) this.#placed(made, cell.bbox, page);
        }
        line.append(made);
      });
      body.append(line);
    });
    const how = { lines: "seen by its lines", gaps: "seen by its gaps" }[table.foundBy];
    const said = [table.title && table.title !== page.name ? table.title : `Table ${table.number}`, `${count(table.rowCount, "row")} × ${count(table.columnCount, "column")}`, how];
    const shown = table.rows.length < table.rowCount ? ` · the first ${table.rows.length} are shown` : "";
    const cut = table.cut ? " · more rows are in the file" : "";
    return [make("p", { className: "doc-table-head", textContent: said.filter(Boolean).join(" · ") + shown + cut }), make("div", { className: "doc-scroll" }, make("table", { className: "doc-table" }, body))];
  }
}

customElements.define("document-viewer", DocumentViewer);
