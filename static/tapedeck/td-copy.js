// <td-copy value="…" label="Copy id">: a button that copies, and says whether it did.

import { icon, make } from "./dom.js";

class TdCopy extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const label = this.getAttribute("label") ?? "Copy";
    const word = make("span", { textContent: label });
    const button = make("button", { type: "button", className: "td-button" }, icon("content_copy"), word);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(this.text());
        word.textContent = "Copied";
      } catch {
        word.textContent = "Not allowed here";
      }
      setTimeout(() => {
        word.textContent = label;
      }, 1500);
    });
    this.append(button);
  }

  /** What is copied; set `source` (a function) where it is made on demand. */
  text() {
    return this.source?.() ?? this.getAttribute("value") ?? "";
  }
}

customElements.define("td-copy", TdCopy);
