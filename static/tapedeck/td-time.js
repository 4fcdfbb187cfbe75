// <td-time datetime="ISO 8601">: a relative time that ages, with the absolute one on hover.

import { absolute, ago } from "./words.js";

const shown = new Set();
setInterval(() => {
  for (const element of shown) element.show();
}, 1000);

class TdTime extends HTMLElement {
  static observedAttributes = ["datetime"];

  connectedCallback() {
    shown.add(this);
    this.show();
  }

  disconnectedCallback() {
    shown.delete(this);
  }

  attributeChangedCallback() {
    this.show();
  }

  show() {
    const at = new Date(this.getAttribute("datetime"));
    if (Number.isNaN(at.getTime())) return;
    this.textContent = ago(at);
    this.title = absolute(at);
  }
}

customElements.define("td-time", TdTime);
