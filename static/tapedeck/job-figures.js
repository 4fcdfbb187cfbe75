// <job-figures>: keeps the dashboard's numbers true; asks again when jobs change, and now and then.

const SETTLE_MS = 400;
const EVERY_MS = 10000;

class JobFigures extends HTMLElement {
  #soon = 0;
  #every = 0;

  connectedCallback() {
    addEventListener("tapedeck:job", this.#changed);
    this.#every = setInterval(() => this.#read(), EVERY_MS);
  }

  disconnectedCallback() {
    removeEventListener("tapedeck:job", this.#changed);
    clearInterval(this.#every);
    clearTimeout(this.#soon);
  }

  #changed = () => {
    if (this.#soon) return;
    this.#soon = setTimeout(() => {
      this.#soon = 0;
      this.#read();
    }, SETTLE_MS);
  };

  async #read() {
    let figures;
    try {
      const answer = await fetch("/api/jobs/summary");
      if (!answer.ok) return;
      figures = await answer.json();
    } catch {
      return; // offline: the banner says so
    }
    for (const element of this.querySelectorAll("[data-figure]")) {
      element.textContent = figures[element.dataset.figure];
    }
    const warning = document.querySelector("[data-no-workers]");
    if (warning) warning.hidden = figures.workers > 0;
  }
}

customElements.define("job-figures", JobFigures);
