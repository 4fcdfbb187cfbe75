// <td-toasts> over <div class="td-toast" data-level="…">: messages that go by themselves, except
// those that say that something went wrong. `window.dispatchEvent("tapedeck:toast", {level, text})` adds one.

import { icon, make } from "./dom.js";

const SHOWN_MS = 9000;

class TdToasts extends HTMLElement {
  connectedCallback() {
    for (const toast of this.querySelectorAll(".td-toast")) this.#tend(toast);
    addEventListener("tapedeck:toast", this.#add);
  }

  disconnectedCallback() {
    removeEventListener("tapedeck:toast", this.#add);
  }

  #add = ({ detail }) => {
    const toast = make("div", { className: "td-toast", dataset: { level: detail.level ?? "info" } }, make("span", { textContent: detail.text }));
    this.append(toast);
    this.#tend(toast);
  };

  #tend(toast) {
    if (toast.querySelector("button")) return;
    const close = make("button", { type: "button", className: "td-icon-button", title: "Close", ariaLabel: "Close" }, icon("close"));
    close.addEventListener("click", () => toast.remove());
    toast.append(close);
    if (toast.dataset.level === "error" || toast.dataset.level === "warning") return;
    // Whoever reads it, or wants its link, keeps it.
    let timer = setTimeout(() => toast.remove(), SHOWN_MS);
    toast.addEventListener("pointerenter", () => clearTimeout(timer));
    toast.addEventListener("focusin", () => clearTimeout(timer));
    toast.addEventListener("pointerleave", () => {
      timer = setTimeout(() => toast.remove(), SHOWN_MS);
    });
  }
}

customElements.define("td-toasts", TdToasts);
