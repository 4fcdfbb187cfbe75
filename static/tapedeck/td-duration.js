// <td-duration start="ISO 8601" end="ISO 8601 or empty">: a span of time; without an end it counts on.

import { clock } from "./words.js";

const counting = new Set();
setInterval(() => {
  for (const element of counting) element.show();
}, 1000);

class TdDuration extends HTMLElement {
  static observedAttributes = ["start", "end"];

  connectedCallback() {
    this.show();
  }

  disconnectedCallback() {
    counting.delete(this);
  }

  attributeChangedCallback() {
    this.show();
  }

  show() {
    const start = this.getAttribute("start");
    const end = this.getAttribute("end");
    if (start && !end && this.isConnected) counting.add(this);
    else counting.delete(this);
    this.textContent = start ? clock((end ? new Date(end) : Date.now()) - new Date(start)) : "–";
  }
}

customElements.define("td-duration", TdDuration);
