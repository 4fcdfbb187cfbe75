// <td-fresh url="…" every="5">: reads its own page again and again and puts the parts marked
// data-fresh in their places. What one is about to press stays.

class TdFresh extends HTMLElement {
  #timer = 0;

  connectedCallback() {
    this.#timer = setInterval(() => this.#read(), Number(this.getAttribute("every")) * 1000);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  async #read() {
    if (document.hidden || this.contains(document.activeElement)) return;
    try {
      const answer = await fetch(this.getAttribute("url"));
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of this.querySelectorAll("[data-fresh]")) {
        const fresh = page.querySelector(`[data-fresh="${part.dataset.fresh}"]`);
        if (fresh && !this.contains(document.activeElement)) part.replaceWith(document.importNode(fresh, true));
      }
    } catch {
      // Offline: what is shown says of itself how old it is.
    }
  }
}

customElements.define("td-fresh", TdFresh);
