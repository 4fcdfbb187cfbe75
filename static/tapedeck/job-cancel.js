// <job-cancel url="…"> in <job-live>: asks for a reason, cancels, and says what really happened. One
// that was asked to end and has not yet can be killed.

import { icon, make } from "./dom.js";
import { TERMINAL } from "./words.js";

class JobCancel extends HTMLElement {
  #button = make("button", { type: "button", className: "td-button td-danger" }, icon("stop_circle"), "Cancel");
  #kill = make("button", { type: "button", className: "td-button td-danger", hidden: true, title: "Kill it at once instead of giving it time to end by itself" }, icon("bolt"), "Kill now");
  #said = make("span", { className: "td-quiet", role: "status" });
  #dialog = null;

  connectedCallback() {
    if (this.#dialog) return;
    this.#dialog = this.#make();
    this.append(this.#button, this.#said, this.#kill, this.#dialog);
    this.#kill.addEventListener("click", async () => {
      this.#kill.disabled = true;
      this.#said.textContent = (await this.#cancel("", true)) || "Being killed…";
      this.#kill.disabled = false;
    });
    this.#button.addEventListener("click", () => this.#dialog.showModal());
    this.closest("job-live").addEventListener("job", ({ detail: job }) => {
      const ended = TERMINAL.has(job.status);
      this.hidden = ended;
      if (ended && this.#dialog.open) this.#dialog.close();
      const asked = job.status === "running" && Boolean(job.cancelRequestedAt);
      this.#button.hidden = asked;
      this.#kill.hidden = !asked || Boolean(job.cancelForcedAt);
      this.#said.textContent = asked ? (job.cancelForcedAt ? "Being killed…" : "Stopping…") : "";
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
  async #cancel(reason, force = false) {
    const body = new FormData();
    body.set("csrfmiddlewaretoken", this.querySelector("[name=csrfmiddlewaretoken]").value);
    body.set("reason", reason);
    if (force) body.set("force", "yes");
    try {
      const answer = await fetch(this.getAttribute("url"), { method: "POST", body, headers: { Accept: "application/json" } });
      if (answer.ok) return "";
      if (answer.status === 403) return "You may not cancel this job (any more).";
      return (await answer.json()).detail;
    } catch {
      return "The console could not be reached. The job was not cancelled.";
    }
  }
}

customElements.define("job-cancel", JobCancel);
