// <configuration-test>: saves the text beside it as the draft and shows what it makes of a document.

import { make } from "./dom.js";
import { call } from "./recording-api.js";

class ConfigurationTest extends HTMLElement {
  #config = JSON.parse(document.getElementById("configuration-config").textContent);

  connectedCallback() {
    this.button = this.querySelector("[data-run]");
    this.said = this.querySelector("[data-said]");
    this.outcome = this.querySelector("[data-outcome]");
    this.button.addEventListener("click", () => this.#run());
  }

  async #run() {
    const form = document.getElementById("editor");
    const chosen = this.querySelector("[data-document]").value;
    this.button.disabled = true;
    this.outcome.replaceChildren();
    try {
      this.said.textContent = "Saving the draft…";
      const saved = await call(`/api/configurations/${this.#config.name}/versions`, "POST", {
        text: form.elements.text.value,
        expectedSha256: this.#config.sha256 || undefined,
      });
      this.#config.sha256 = saved.sha256;
      form.elements.sha256.value = saved.sha256;
      const job = await call(`/api/documents/${chosen}/extract`, "POST", {
        configuration: this.#config.name, version: saved.number, operation: "validate", dryRun: true,
      });
      await this.#wait(job.id, saved.number);
    } catch (error) {
      this.said.textContent = "";
      this.outcome.append(make("div", { className: "td-problem", textContent: error.message, role: "alert" }));
    }
    this.button.disabled = false;
  }

  async #wait(id, number) {
    for (;;) {
      const job = await call(`/api/jobs/${id}`);
      this.said.textContent = { queued: "Waiting for a worker…", running: "Reading the document…" }[job.status] ?? "";
      if (["succeeded", "failed", "cancelled"].includes(job.status)) return this.#show(id, job, number);
      await new Promise((done) => setTimeout(done, 600));
    }
  }

  async #show(id, job, number) {
    const found = await call(`/api/jobs/${id}/tables`);
    if (job.status !== "succeeded") this.outcome.append(make("div", { className: "td-problem", textContent: job.error || `The test was ${job.status}.` }));
    const link = make("a", { className: "td-link", href: this.#config.jobPage.replace("{id}", id), textContent: "its job" });
    this.said.replaceChildren(`Version ${number}, saved as draft: ${found.run ? found.run.evaluation : "no result"}. `, link);
    for (const reason of found.run?.reasons.slice(0, 5) ?? []) this.outcome.append(make("p", { className: "td-quiet", textContent: reason }));
    for (const table of found.results.slice(0, 5)) this.outcome.append(this.#table(table));
  }

  #table(table) {
    const mapped = table.mapping.map((each) => make("tr", {},
      make("td", { textContent: each.column }), make("td", { textContent: each.header || "(no header)" }),
      make("td", { textContent: each.field ?? "–", className: "td-strong" }), make("td", { textContent: each.candidates.length ? each.score.toFixed(2) : "–" }),
      make("td", { textContent: each.unmappedReason ?? "" })));
    const rows = table.sampleRows.map((row) => make("tr", {}, make("th", { className: "td-rownum", textContent: row.row }), ...table.columns.map((column) => {
      const issues = row.issues.filter((issue) => issue.field === column.name).map((issue) => issue.message);
      return make("td", { textContent: row.values[column.name] ?? "", title: issues.join("\n"), className: issues.length ? "td-bad" : "" });
    })));
    const head = (names) => make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { textContent: name }))));
    return make("div", {},
      make("h3", { textContent: `${table.sheet}${table.title ? `: ${table.title}` : ""}, ${table.rowCount} rows` }),
      make("div", { className: "td-scroll" }, make("table", { className: "td-table" }, head(["Column", "Header", "Field", "Score", "Why not"]), make("tbody", {}, ...mapped))),
      make("div", { className: "td-scroll td-below" }, make("table", { className: "td-grid" }, head(["", ...table.columns.map((column) => column.label)]), make("tbody", {}, ...rows))));
  }
}

customElements.define("configuration-test", ConfigurationTest);
