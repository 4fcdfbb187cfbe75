// <td-dashboard url="…" source="id of JSON">: reads the overview now and then, and soon after jobs
// change, and hands it to the elements inside as "overview".

import { embedded } from "./dom.js";

const SETTLE_MS = 1500;
const EVERY_MS = 15000;

class TdDashboard extends HTMLElement {
  #soon = 0;
  #every = 0;

  connectedCallback() {
    addEventListener("tapedeck:job", this.#changed);
    this.#every = setInterval(() => this.#read(), EVERY_MS);
    this.#tell(embedded(this.getAttribute("source")));
  }

  disconnectedCallback() {
    removeEventListener("tapedeck:job", this.#changed);
    clearInterval(this.#every);
    clearTimeout(this.#soon);
  }

  #changed = () => {
    this.#soon ||= setTimeout(() => {
      this.#soon = 0;
      this.#read();
    }, SETTLE_MS);
  };

  async #read() {
    // Nobody looks: the figures are read anew when somebody does.
    if (document.hidden) return;
    try {
      const answer = await fetch(this.getAttribute("url"), { headers: { Accept: "application/json" } });
      if (answer.ok) this.#tell(await answer.json());
    } catch {
      // Offline: the banner says so.
    }
  }

  #tell(overview) {
    this.dispatchEvent(new CustomEvent("overview", { detail: overview }));
  }
}

customElements.define("td-dashboard", TdDashboard);
