// <document-comments source="id of JSON" url="/api/…/comments" [write]>: what people say, newest first;
// about the whole document, or about the place that was chosen in it (event `document-place`).

import { addressOf, placeWords } from "./document-place.js";
import { embedded, icon, make } from "./dom.js";
import { call } from "./recording-api.js";
import { ago } from "./words.js";

class DocumentComments extends HTMLElement {
  #rows = [];
  #list = make("div", { className: "td-list" });
  #place = {};
  #about = make("p", { className: "doc-about", hidden: true });
  #text = make("textarea", { maxLength: 5000, required: true, ariaLabel: "Comment", placeholder: "Say something about this document…" });

  connectedCallback() {
    if (this.childElementCount) return;
    this.#rows = embedded(this.getAttribute("source")).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    if (this.hasAttribute("write")) {
      this.append(this.#form());
      document.addEventListener("document-place", this.#chosen);
    }
    this.append(this.#list);
    this.#show();
  }

  disconnectedCallback() {
    document.removeEventListener("document-place", this.#chosen);
  }

  #chosen = ({ detail: { place, quote } }) => {
    this.#place = place;
    const whole = make("button", { type: "button", className: "td-link", textContent: "Whole document instead" });
    whole.addEventListener("click", () => this.#wholeDocument());
    this.#about.replaceChildren("About ", make("a", { className: "td-link", href: addressOf(place), textContent: placeWords(place) }), quote ? `: “${quote}” ` : " ", whole);
    this.#about.hidden = false;
    // The tabs listen too, and did so before: by then the form is shown.
    addEventListener("hashchange", () => this.#text.focus(), { once: true });
    location.hash = "comments";
  };

  #wholeDocument() {
    this.#place = {};
    this.#about.hidden = true;
  }

  #form() {
    const text = this.#text;
    const problem = make("p", { className: "td-problem", hidden: true, role: "alert" });
    const send = make("button", { className: "td-button td-primary", textContent: "Comment" });
    const form = make("form", { className: "doc-write" }, this.#about, text, problem, make("div", { className: "td-actions" }, send));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      problem.hidden = true;
      try {
        this.#rows.unshift(await call(this.getAttribute("url"), "POST", { body: text.value, place: this.#place }));
        text.value = "";
        this.#wholeDocument();
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
    const viewer = document.querySelector("document-viewer");
    if (viewer) viewer.comments = this.#rows;
    if (!this.#rows.length) {
      this.#list.replaceChildren(make("p", { className: "td-quiet", textContent: this.hasAttribute("write") ? "Nobody has said anything yet." : "There are no comments." }));
      return;
    }
    this.#list.replaceChildren(...this.#rows.map((row) => this.#comment(row)));
  }

  #comment(row) {
    const words = placeWords(row.place);
    const where = !words ? [] : row.place.page ? [make("a", { className: "td-link", href: addressOf(row.place), textContent: words })] : [make("span", { textContent: words })];
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
    const header = make("header", {}, make("strong", { textContent: row.author }), time, make("span", { textContent: `version ${row.version}` }), ...where, ...tools);
    return make("article", { className: "doc-comment" }, header, make("p", { textContent: row.body }));
  }
}

customElements.define("document-comments", DocumentComments);
