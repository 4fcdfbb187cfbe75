// <job-cancel job="id"> in <job-live>: asks for a reason, cancels, and says what really happened.

import { icon, make } from "./dom.js";
import { TERMINAL } from "./words.js";

class JobCancel extends HTMLElement {
  #button = make("button", { type: "button", className: "td-button td-danger" }, icon("stop_circle"), "Cancel");
  #said = make("span", { className: "td-quiet", role: "status" });
  #dialog = null;

  connectedCallback() {
    if (this.#dialog) return;
    this.#dialog = this.#make();
    this.append(this.#button, this.#said, this.#dialog);
    this.#button.addEventListener("click", () => this.#dialog.showModal());
    this.closest("job-live").addEventListener("job", ({ detail: job }) => {
      const ended = TERMINAL.has(job.status);
      this.hidden = ended;
      if (ended && this.#dialog.open) this.#dialog.close();
      this.#button.disabled = job.status === "running" && Boolean(job.cancelRequestedAt);
      this.#said.textContent = this.#button.disabled ? "Stopping…" : "";
    });
  }

  #make() {
    const reason = make("input", { type: "text", maxLength: 200, autocomplete: "off", name: "reason" });
    const sure = make("button", { className: "td-button td-danger", textContent: "Cancel this job" });
    const back = make("button", { type: "button", className: "td-button", textContent: "Keep it going" });
    const problem = make("p", { className: "td-problem", hidden: true, role: "alert" });
    const form = make(
      "form",
      { method: "dialog" },
      make("h2", { textContent: "Cancel this job?" }),
      make("p", { textContent: "A queued job is cancelled at once. A running one is asked to end, keeps what it has, and is stopped by force if it does not." }),
      make("label", { className: "td-field" }, "Reason (others see it)", reason),
      problem,
      make("div", { className: "td-actions" }, sure, back),
    );
    back.addEventListener("click", () => this.#dialog.close());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      sure.disabled = true;
      problem.hidden = true;
      const failed = await this.#cancel(reason.value);
      sure.disabled = false;
      if (failed) {
        problem.textContent = failed;
        problem.hidden = false;
      } else {
        this.#dialog.close();
      }
    });
    return make("dialog", { className: "td-dialog" }, form);
  }

  /** What went wrong, in words; empty when the request was taken. The socket brings the outcome. */
  async #cancel(reason) {
    const token = this.querySelector("[name=csrfmiddlewaretoken]").value;
    try {
      const answer = await fetch(`/api/jobs/${this.getAttribute("job")}/cancel`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify({ reason }),
      });
      if (answer.ok) return "";
      return (await answer.json()).detail;
    } catch {
      return "The console could not be reached. The job was not cancelled.";
    }
  }
}

customElements.define("job-cancel", JobCancel);
