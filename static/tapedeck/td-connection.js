// <td-connection>: a banner while the page is not live.

import { icon, make } from "./dom.js";

const SAID = {
  lost: "Connection lost. Trying again; nothing will be missed.",
  refused: "This page is no longer live: you were logged out, or may not see this any more. Reload it.",
};
// A blink of the network, or leaving the page, is not worth a banner.
const PATIENCE_MS = 400;

class TdConnection extends HTMLElement {
  #timer = 0;
  #text = make("span");
  #leaving = false;

  connectedCallback() {
    this.hidden = true;
    this.className = "td-banner";
    this.setAttribute("role", "status");
    this.replaceChildren(icon("cloud_off"), this.#text);
    addEventListener("tapedeck:connection", this.#heard);
    addEventListener("pagehide", this.#left);
  }

  disconnectedCallback() {
    removeEventListener("tapedeck:connection", this.#heard);
    removeEventListener("pagehide", this.#left);
  }

  #left = () => {
    this.#leaving = true;
  };

  #heard = ({ detail }) => {
    clearTimeout(this.#timer);
    if (!SAID[detail]) {
      this.hidden = true;
      return;
    }
    this.#timer = setTimeout(() => {
      this.#text.textContent = SAID[detail];
      this.hidden = this.#leaving;
    }, PATIENCE_MS);
  };
}

customElements.define("td-connection", TdConnection);
