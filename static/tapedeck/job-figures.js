// <job-figures> in <td-dashboard>: the numbers on top, kept true.

import "./td-duration.js";

class JobFigures extends HTMLElement {
  connectedCallback() {
    this.closest("td-dashboard").addEventListener("overview", ({ detail: { figures } }) => {
      for (const element of this.querySelectorAll("[data-figure]")) element.textContent = figures[element.dataset.figure];
      const oldest = this.querySelector("td-duration");
      oldest?.setAttribute("start", figures.oldestQueuedAt ?? "");
    });
  }
}

customElements.define("job-figures", JobFigures);
