// <document-viewer source="id of JSON" url="/api/documents/…" version="n" [write]>: pages with thumbnails,
// and beside them what was read; a click on a text or cell marks its place on the page, and offers to
// comment on it (event `document-place`).
// The address names a place: #page-3, #page-3:120-180 (offsets in the text), #page-1:B7 (a cell).

import { addressOf, placeAt } from "./document-place.js";
import { embedded, icon, make } from "./dom.js";
import { count } from "./words.js";

class DocumentViewer extends HTMLElement {
  #pages = [];
  #at = 0;
  #sheet = make("div", { className: "doc-sheet" });
  #text = make("div", { className: "doc-text" });
  #where = make("span");
  #asked = 0;
  #unread = "";
  #comments = [];
  #places = new Map();
  #offer = null;

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
    const place = placeAt(location.hash);
    const at = place ? this.#pages.findIndex((page) => page.number === place.page) : -1;
    if (at < 0) return false;
    this.#show(at, place);
    return true;
  }

  /** The comments on places, as they are now: they are marked where they belong. */
  set comments(rows) {
    this.#comments = rows;
    this.#note();
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

  async #show(at, place = null) {
    this.#at = at;
    const page = this.#pages[at];
    this.querySelectorAll(".doc-thumb").forEach((button, index) => {
      button.setAttribute("aria-current", String(index === at));
      if (index === at) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    this.#where.textContent = `${page.name && page.name !== String(page.number) ? `${page.name} · ` : ""}${page.number} of ${this.#pages.length}`;
    if (page.imageUrl) this.#picture(page);
    await this.#read(page, place);
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

  async #read(page, place) {
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
    this.#places.clear();
    const parts = told.blocks.map((block) => this.#block(block, page));
    if (page.ocr) parts.unshift(make("p", { className: "td-quiet", textContent: "Read from the picture of the page: check what matters." }));
    for (const table of told.tables) parts.push(...this.#table(table, page));
    if (told.blocksLeftOut) parts.push(make("p", { className: "td-quiet", textContent: `${told.blocksLeftOut.toLocaleString("en")} more pieces of text are in the file.` }));
    if (!parts.length) parts.push(make("p", { className: "td-quiet", textContent: "There is no text on this page." }));
    this.#offer = null;
    this.#text.replaceChildren(...parts);
    this.#text.scrollTop = 0;
    this.#note();
    if (place?.cell || place?.end) this.#choose(this.#elementAt(place));
  }

  #elementAt(place) {
    for (const [element, its] of this.#places) {
      if (place.cell ? its.cell === place.cell : its.end > place.start && its.start < place.end) return element;
    }
    return null;
  }

  #note() {
    const page = this.#pages[this.#at];
    this.querySelectorAll("[data-noted]").forEach((each) => delete each.dataset.noted);
    for (const { place } of this.#comments) {
      const element = place.page === page?.number && (place.cell || place.end) && this.#elementAt(place);
      if (element) element.dataset.noted = Number(element.dataset.noted ?? 0) + 1;
    }
  }

  #block(block, page) {
    const made = make("p", { className: "doc-block", textContent: block.text, dataset: { kind: block.kind, level: block.level, start: block.start, end: block.end } });
    if (block.kind === "list_item") made.style.marginInlineStart = `${Math.min(block.level - 1, 6) * 16}px`;
    this.#placed(made, block.bbox, page, { page: page.number, start: block.start, end: block.end });
    return made;
  }

  #placed(element, bbox, page, place) {
    if (bbox) element.dataset.bbox = bbox.join(" ");
    if (!(bbox && page.imageUrl) && !place.end && !place.cell) return;
    element.dataset.placed = "";
    this.#places.set(element, place);
    element.addEventListener("click", (event) => {
      if (getSelection().toString() || event.target.closest(".doc-offer")) return;
      this.#choose(element);
      history.replaceState(null, "", addressOf(place));
    });
  }

  #offerComment(element) {
    this.#offer?.remove();
    this.#offer = null;
    const place = this.#places.get(element);
    if (!this.hasAttribute("write") || !place) return;
    const button = make("button", { type: "button", className: "td-button doc-offer" }, icon("add_comment"), "Comment on this");
    button.addEventListener("click", () => {
      const quote = element.firstChild?.textContent ?? "";
      this.dispatchEvent(new CustomEvent("document-place", { bubbles: true, detail: { place, quote: quote.slice(0, 120) } }));
    });
    this.#offer = button;
    // Into a cell, not after it: a table takes nothing between its cells.
    if (element.tagName === "TD") element.append(button);
    else element.after(button);
  }

  #choose(element) {
    this.querySelectorAll(".doc-chosen").forEach((each) => each.classList.remove("doc-chosen"));
    this.#sheet.querySelector(".doc-mark")?.remove();
    this.#offerComment(element);
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
          const place = { page: page.number };
          if (cell.cell) Object.assign(place, { cell: cell.cell, sheet: table.sheet });
          else if (cell.end) Object.assign(place, { start: cell.start, end: cell.end });
          this.#placed(made, cell.bbox, page, place);
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
