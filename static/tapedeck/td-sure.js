// <td-sure title="…" text="…"><form>…</form></td-sure>: asks before its form is sent.

import { make } from "./dom.js";

class TdSure extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask(form);
    });
  }

  #ask(form) {
    const word = form.querySelector("button")?.lastChild?.textContent?.trim() ?? "Yes";
    const sure = make("button", { type: "button", className: "td-button td-danger", textContent: word });
    const back = make("button", { type: "button", className: "td-button", textContent: "Back" });
    const dialog = make(
      "dialog",
      { className: "td-dialog" },
      make("form", { method: "dialog" }, make("h2", { textContent: this.getAttribute("title") }), make("p", { textContent: this.getAttribute("text") }), make("div", { className: "td-actions" }, sure, back)),
    );
    back.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    sure.addEventListener("click", () => {
      sure.disabled = true;
      form.submit();
    });
    document.body.append(dialog);
    dialog.showModal();
    back.focus();
  }
}

customElements.define("td-sure", TdSure);
