// <document-actions [change] [do]>: editing, sharing, reading again, the password, deleting, restoring.

import { embedded, icon, make } from "./dom.js";
import { call } from "./recording-api.js";

class DocumentActions extends HTMLElement {
  connectedCallback() {
    if (this.childElementCount) return;
    const told = embedded("document");
    const change = this.hasAttribute("change");
    if (told.deletedAt) {
      if (change) this.append(this.#button("restore_from_trash", "Restore", () => this.#now(() => call(`${told.url}/restore`, "POST"))));
      return;
    }
    if (change && (told.readState === "needs_password" || told.hasPassword)) this.append(this.#button("key", told.hasPassword && told.readState !== "needs_password" ? "Change password" : "Enter password", () => this.#password(told)));
    if (change) this.append(this.#button("edit", "Edit", () => this.#edit(told)));
    if (this.hasAttribute("do") && told.readState !== "unsupported" && !told.reading) this.append(this.#button("refresh", "Read again", () => this.#read(told)));
    if (change) this.append(this.#button("delete", "Delete", () => this.#delete(told), "td-danger"));
  }

  #button(symbol, word, act, more = "") {
    const button = make("button", { type: "button", className: `td-button ${more}` }, icon(symbol), word);
    button.addEventListener("click", act);
    return button;
  }

  async #now(act) {
    try {
      await act();
      location.reload();
    } catch (error) {
      this.#ask("That did not work", [make("p", { textContent: error.message })], "", null);
    }
  }

  /** A dialog; `act(form)` does it, and its error is shown inside. */
  #ask(title, parts, word, act, danger = false) {
    const problem = make("p", { className: "td-problem", hidden: true, role: "alert" });
    const sure = make("button", { className: `td-button ${danger ? "td-danger" : "td-primary"}`, textContent: word, hidden: !act });
    const back = make("button", { type: "button", className: "td-button", textContent: act ? "Back" : "Close" });
    const form = make("form", { method: "dialog", className: "doc-form" }, make("h2", { textContent: title }), ...parts, problem, make("div", { className: "td-actions" }, sure, back));
    const dialog = make("dialog", { className: "td-dialog" }, form);
    back.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      sure.disabled = true;
      problem.hidden = true;
      try {
        await act(form);
        location.reload();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        sure.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  #field(word, input) {
    return make("label", { className: "td-field" }, word, input);
  }

  #password(told) {
    const password = make("input", { type: "password", name: "password", autocomplete: "off", required: true });
    this.#ask("The file's password", [make("p", { textContent: "It is kept encrypted, never shown again, and the document is read with it." }), this.#field("Password", password)], "Keep it and read", () => call(told.url, "PATCH", { password: password.value }));
  }

  #edit(told) {
    const name = make("input", { type: "text", value: told.name, maxLength: 200, required: true });
    const tags = make("input", { type: "text", value: told.tags.join(", "), placeholder: "march, bank" });
    const shared = make("input", { type: "checkbox", checked: told.shared });
    const expires = make("input", { type: "datetime-local", value: told.expiresAt ? told.expiresAt.slice(0, 16) : "" });
    const parts = [this.#field("Name", name), this.#field("Tags, with commas", tags), this.#field("Expires (UTC); empty: never", expires), make("label", { className: "td-check" }, shared, "Shared: everyone who has a role may see it")];
    this.#ask("Edit", parts, "Save", () => {
      const list = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
      return call(told.url, "PATCH", { name: name.value, tags: list, shared: shared.checked, expiresAt: expires.value ? `${expires.value}:00Z` : null });
    });
  }

  #read(told) {
    const ocr = make("select", {}, ...[["auto", "Of pages without text"], ["always", "Of all pages"], ["never", "Not at all"]].map(([value, textContent]) => make("option", { value, textContent })));
    const languages = make("input", { type: "text", value: "eng", pattern: "[a-zA-Z0-9_]{2,20}(\\+[a-zA-Z0-9_]{2,20}){0,4}" });
    const tables = make("input", { type: "checkbox", checked: true });
    const parts = [this.#field("Read text in pictures (OCR)", ocr), this.#field("Languages of that text, such as eng+deu", languages), make("label", { className: "td-check" }, tables, "Look for tables on pages")];
    this.#ask("Read again", parts, "Read", () => call(`${told.url}/read`, "POST", { ocr: ocr.value, ocrLanguages: languages.value, tables: tables.checked }));
  }

  #delete(told) {
    const reason = make("input", { type: "text", maxLength: 200, autocomplete: "off" });
    const parts = [make("p", { textContent: "Nobody finds or opens it any more. It can be restored until its bytes are removed." }), this.#field("Reason (others see it)", reason)];
    this.#ask("Delete this document?", parts, "Delete", () => call(told.url, "DELETE", { reason: reason.value }), true);
  }
}

customElements.define("document-actions", DocumentActions);
