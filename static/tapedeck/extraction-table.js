// <extraction-table>: left the table as it stands in its document, right what was made of it.
// A cell of either side marks its counterpart; columns and cells can be corrected.

import { make } from "./dom.js";
import { call } from "./recording-api.js";
import { columnsOf } from "./extraction-columns.js";

const PAGE = 100;

class ExtractionTable extends HTMLElement {
  #config = JSON.parse(document.getElementById("extraction-config").textContent);
  #rows = [];
  #corrections = [];
  #next = 0;
  #sourceCells = new Map();
  #resultCells = new Map();

  async connectedCallback() {
    if (this.childElementCount) return;
    const { columns, mapping } = this.#config;
    this.source = make("tbody");
    this.result = make("tbody");
    this.info = make("div", { className: "td-cell-info td-quiet", textContent: "Choose a cell to see where it comes from.", attributes: { "aria-live": "polite" } });
    this.picture = make("div", { className: "td-page-picture", hidden: true });
    this.status = make("p", { className: "td-quiet", role: "status" });
    this.more = make("button", { type: "button", className: "td-button", textContent: "Show more rows" });
    this.more.addEventListener("click", () => this.#load());
    this.columns = make("div");
    const letters = mapping.map((each) => make("th", { textContent: each.column, title: each.header, scope: "col" }));
    const names = columns.map((each) => make("th", { textContent: each.label, title: each.name, scope: "col" }));
    const corner = () => make("th", { className: "td-rownum", textContent: "" });
    this.append(
      this.columns,
      make("div", { className: "td-panes" },
        make("section", { className: "td-card td-card-flush td-pane" },
          make("div", { className: "td-card-head" }, make("h2", { textContent: "In the document" })),
          this.picture,
          make("div", { className: "td-scroll", tabIndex: 0 }, make("table", { className: "td-grid" }, make("thead", {}, make("tr", {}, corner(), ...letters)), this.source))),
        make("section", { className: "td-card td-card-flush td-pane" },
          make("div", { className: "td-card-head" }, make("h2", { textContent: "Extracted" }), make("span", { className: "td-quiet", textContent: `${this.#config.rowCount.toLocaleString("en")} rows` })),
          make("div", { className: "td-scroll", tabIndex: 0 }, make("table", { className: "td-grid" }, make("thead", {}, make("tr", {}, corner(), ...names)), this.result)),
          this.info)),
      make("div", { className: "td-more-row" }, this.more, this.status),
    );
    this.#above();
    try {
      this.#corrections = (await call(`${this.#config.api}/corrections`)).results;
    } catch (error) {
      this.status.textContent = error.message;
    }
    this.#showColumns();
    await this.#load();
  }

  /** Rows of the document that are none of the table: titles, totals, notes, and its header. */
  #above() {
    const { mapping, skipped, headerRows } = this.#config;
    this.asides = skipped.map((each) => [each.row, each]).sort((one, two) => one[0] - two[0]);
    for (const row of headerRows) {
      const last = row === headerRows.at(-1);
      const cells = mapping.map((each) => make("td", { textContent: last ? each.header : "", title: each.header }));
      this.asides.push([row, { head: cells }]);
    }
    this.asides.sort((one, two) => one[0] - two[0]);
  }

  #asideUntil(row) {
    while (this.asides.length && this.asides[0][0] < row) {
      const [number, what] = this.asides.shift();
      const line = make("tr", { className: what.head ? "td-head" : "td-aside" }, make("th", { className: "td-rownum", textContent: number, scope: "row" }));
      if (what.head) line.append(...what.head);
      else line.append(make("td", { colSpan: Math.max(1, this.#config.mapping.length), textContent: `${what.text} (${what.kind.replace("_", " ")}, left out)`, title: what.text }));
      this.source.append(line);
    }
  }

  async #load() {
    this.more.disabled = true;
    try {
      const page = await call(`${this.#config.api}/tables/${this.#config.table}?offset=${this.#next}&limit=${PAGE}`);
      for (const row of page.rows) this.#add(row);
      this.#rows.push(...page.rows);
      this.#next = page.nextOffset ?? this.#rows.length;
      this.more.hidden = page.nextOffset === null;
      if (page.nextOffset === null) this.#asideUntil(Infinity);
      const kept = this.#config.keptRows < this.#config.rowCount ? `; this dry run kept the first ${this.#config.keptRows.toLocaleString("en")}` : "";
      this.status.textContent = this.#rows.length ? `${this.#rows.length.toLocaleString("en")} of ${this.#config.rowCount.toLocaleString("en")} rows shown${kept}` : "This table has no rows.";
    } catch (error) {
      this.status.textContent = error.message;
    }
    this.more.disabled = false;
  }

  #add(row) {
    const { mapping, columns } = this.#config;
    this.#asideUntil(row.row);
    const left = make("tr", {}, make("th", { className: "td-rownum", textContent: row.row, scope: "row" }));
    for (const each of mapping) {
      const raw = row.raw ? (row.raw[each.column] ?? "") : "·";
      const cell = make("td", { textContent: raw, title: raw, className: each.field ? "" : "td-unmapped" });
      const place = `${each.column}${row.row}`;
      this.#sourceCells.set(place, cell);
      if (each.field) {
        cell.dataset.field = each.field;
        cell.addEventListener("click", () => this.#choose(row, each.field));
      }
      left.append(cell);
    }
    this.source.append(left);
    const right = make("tr", {}, make("th", { className: "td-rownum", textContent: row.row, title: `Row ${row.row} of the document`, scope: "row" }));
    for (const column of columns) {
      const cell = make("td", { tabIndex: 0, dataset: { field: column.name } });
      this.#paint(cell, row, column);
      cell.addEventListener("click", () => this.#choose(row, column.name));
      cell.addEventListener("keydown", (event) => event.key === "Enter" && this.#choose(row, column.name));
      this.#resultCells.set(`${column.name}/${row.row}`, cell);
      right.append(cell);
    }
    this.result.append(right);
  }

  #paint(cell, row, column) {
    const value = row.values[column.name];
    cell.textContent = value === null || value === undefined ? "" : String(value);
    const issues = row.issues.filter((issue) => issue.field === column.name);
    cell.classList.toggle("td-number", typeof value === "number");
    cell.classList.toggle("td-bad", issues.length > 0);
    cell.classList.toggle("td-fixed", row.corrected.includes(column.name));
    cell.title = issues.map((issue) => issue.message).join("\n") || cell.textContent;
  }

  #choose(row, field) {
    for (const cell of this.querySelectorAll(".td-here")) cell.classList.remove("td-here");
    const place = row.cells[field];
    const found = this.#sourceCells.get(place);
    const result = this.#resultCells.get(`${field}/${row.row}`);
    for (const cell of [found, result]) {
      cell?.classList.add("td-here");
      if (cell) this.#bringIntoView(cell);
    }
    this.#showPicture(place, row);
    this.#describe(row, field, place);
  }

  /** Within its own pane: the page itself stays where it is. */
  #bringIntoView(cell) {
    const pane = cell.closest(".td-scroll");
    const [inner, outer] = [cell.getBoundingClientRect(), pane.getBoundingClientRect()];
    if (inner.top < outer.top + 40 || inner.bottom > outer.bottom) pane.scrollTop += inner.top - outer.top - outer.height / 2;
    if (inner.left < outer.left + 60 || inner.right > outer.right) pane.scrollLeft += inner.left - outer.left - outer.width / 2;
  }

  #describe(row, field, place) {
    const { columns, mapping, editable } = this.#config;
    const column = columns.find((each) => each.name === field);
    const source = mapping.find((each) => each.field === field);
    const raw = source && row.raw ? row.raw[source.column] : null;
    this.info.classList.remove("td-quiet");
    this.info.replaceChildren(
      make("div", {}, make("strong", { className: "td-strong", textContent: column.label }), place ? ` from cell ${place}` : " has no column in this table", raw === null || raw === undefined ? "" : `, where stands “${raw}”`),
      ...row.issues.filter((issue) => issue.field === field).map((issue) => make("div", { className: "td-issue" }, make("span", { className: "td-chip", dataset: { tone: "bad" }, textContent: issue.code }), ` ${issue.message}`)),
    );
    if (!editable) return;
    const input = make("input", { className: "td-input", value: row.values[field] ?? "", ariaLabel: `What ${column.label} should be` });
    const save = make("button", { className: "td-button", textContent: "Correct" });
    const form = make("form", {}, input, save);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      save.disabled = true;
      try {
        const made = await call(`${this.#config.api}/corrections`, "POST", { kind: "cell", table: this.#config.table, row: row.row, field, value: input.value });
        row.values[field] = input.value;
        row.corrected = [...new Set([...row.corrected, field])];
        row.issues = row.issues.filter((issue) => issue.field !== field);
        this.#paint(this.#resultCells.get(`${field}/${row.row}`), row, column);
        this.#describe(row, field, place);
        this.#remember(made);
      } catch (error) {
        this.info.append(make("div", { className: "td-problem", textContent: error.message }));
        save.disabled = false;
      }
    });
    this.info.append(form);
  }

  #remember(made) {
    this.#corrections = [...this.#corrections.filter((each) => each.id !== made.id), made];
    this.#showColumns();
  }

  #showColumns() {
    this.columns.replaceChildren(columnsOf({
      config: this.#config,
      corrections: this.#corrections,
      correct: async (column, field) => this.#remember(await call(`${this.#config.api}/corrections`, "POST", { kind: "mapping", table: this.#config.table, column, field })),
      withdraw: async (id) => {
        await call(`${this.#config.api}/corrections/${id}`, "DELETE");
        const gone = this.#corrections.find((each) => each.id === id);
        this.#corrections = this.#corrections.filter((each) => each.id !== id);
        this.#showColumns();
        if (gone.kind === "cell") location.reload();
      },
      promote: async () => call(`${this.#config.api}/corrections/promote`, "POST"),
    }));
  }

  /** A page's picture with the cell's box on it, where the document has pages. */
  #showPicture(place, row) {
    const { documentId, pages, boxes, mapping } = this.#config;
    const page = pages[row.row] ?? this.#config.page;
    const column = mapping.find((each) => place === `${each.column}${row.row}`);
    if (!page || !documentId || !column) return;
    const box = boxes[`${row.row},${column.number}`];
    const url = `/api/documents/${documentId}/preview/pages/${page}`;
    if (this.picture.dataset.url !== url) {
      const image = make("img", { alt: `Page ${page}`, src: url });
      image.addEventListener("error", () => { this.picture.hidden = true; });
      this.picture.dataset.url = url;
      this.picture.replaceChildren(image, make("span"));
      // Chosen again before the picture came: the newest box counts.
      image.addEventListener("load", () => { this.picture.hidden = false; this.#mark(); });
    }
    this.box = { box, width: this.#config.pageWidths[page] };
    this.#mark();
  }

  #mark() {
    const { box, width } = this.box;
    const image = this.picture.querySelector("img");
    const mark = this.picture.querySelector("span");
    if (!mark || !image?.naturalWidth) return;
    mark.hidden = !box || !width;
    if (mark.hidden) return;
    const scale = image.clientWidth / width;  // boxes are in points
    const [left, top, right, bottom] = box;
    Object.assign(mark.style, { left: `${left * scale}px`, top: `${top * scale}px`, width: `${(right - left) * scale}px`, height: `${(bottom - top) * scale}px` });
  }
}

customElements.define("extraction-table", ExtractionTable);
