// <document-comments source="id of JSON" url="/api/…/comments" [write]>: what people say, newest first.

import { embedded, icon, make } from "./dom.js";
import { call } from "./recording-api.js";
import { ago } from "./words.js";

class DocumentComments extends HTMLElement {
  #rows = [];
  #list = make("div", { className: "td-list" });

  connectedCallback() {
    if (this.childElementCount) return;
    this.#rows = embedded(this.getAttribute("source")).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    if (this.hasAttribute("write")) this.append(this.#form());
    this.append(this.#list);
    this.#show();
  }

  #form() {
    const text = make("textarea", { maxLength: 5000, required: true, ariaLabel: "Comment", placeholder: "Say something about this document…" });
    const problem = make("p", { className: "td-problem", hidden: true, role: "alert" });
    const send = make("button", { className: "td-button td-primary", textContent: "Comment" });
    const form = make("form", { className: "doc-write" }, text, problem, make("div", { className: "td-actions" }, send));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      problem.hidden = true;
      try {
        this.#rows.unshift(await call(this.getAttribute("url"), "POST", { body: text.value }));
        text.value = "";
        this.#show();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
      send.disabled = false;
    });
    return form;
  }

  #show() {
    this.closest("td-tabs")?.count("comments", this.#rows.length);
    if (!this.#rows.length) {
      this.#list.replaceChildren(make("p", { className: "td-quiet", textContent: this.hasAttribute("write") ? "Nobody has said anything yet." : "There are no comments." }));
      return;
    }
    this.#list.replaceChildren(...this.#rows.map((row) => this.#comment(row)));
  }

  #comment(row) {
    const where = row.place.page ? [make("a", { className: "td-link", href: `#page-${row.place.page}${row.place.end ? `:${row.place.start ?? 0}-${row.place.end}` : ""}`, textContent: `page ${row.place.page}` })] : [];
    const cell = row.place.cell ? [make("span", { textContent: [row.place.sheet, row.place.cell].filter(Boolean).join(" ") })] : [];
    const time = make("span", { textContent: ago(new Date(row.createdAt)) + (row.editedAt ? ", edited" : ""), title: row.createdAt });
    const tools = [];
    if (row.mine && this.hasAttribute("write")) {
      const gone = make("button", { type: "button", title: "Delete this comment" }, icon("delete"));
      gone.addEventListener("click", async () => {
        gone.disabled = true;
        try {
          await call(`${this.getAttribute("url")}/${row.id}`, "DELETE");
          this.#rows = this.#rows.filter((each) => each !== row);
          this.#show();
        } catch (error) {
          gone.disabled = false;
          gone.title = error.message;
        }
      });
      tools.push(gone);
    }
    const header = make("header", {}, make("strong", { textContent: row.author }), time, make("span", { textContent: `version ${row.version}` }), ...where, ...cell, ...tools);
    return make("article", { className: "doc-comment" }, header, make("p", { textContent: row.body }));
  }
}

customElements.define("document-comments", DocumentComments);
