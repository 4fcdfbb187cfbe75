// <recording-ended>: the page of a recording that has ended: edit steps, copy code, watch replays.

import "./step-list.js";
import { call } from "./recording-api.js";

class RecordingEnded extends HTMLElement {
  #config = null;
  #detail = null;
  #list = null;

  connectedCallback() {
    this.#config = JSON.parse(document.getElementById("recording-config").textContent);
    this.#detail = this.#config.detail;
    this.#list = this.querySelector("step-list");
    if (this.#list) {
      this.#draw();
      this.#list.addEventListener("edit", ({ detail: { key, ...change } }) => this.#change(`/steps/${key}`, "PATCH", change));
      this.#list.addEventListener("remove", ({ detail: { key } }) => this.#change(`/steps/${key}`, "DELETE"));
      this.#list.addEventListener("restore", ({ detail: { key } }) => this.#change(`/steps/${key}/restore`, "POST"));
    }
    this.querySelector("[data-copy]")?.addEventListener("click", (event) => this.#copy(event.currentTarget));
    this.querySelector("[data-download]")?.addEventListener("click", () => this.#download());
    this.querySelector("[data-console]")?.addEventListener("toggle", (event) => this.#console(event.currentTarget), { once: true });
    this.#watchReplays();
  }

  #draw() {
    const failing = this.#detail.verdict === "failed" ? this.#detail.failingStep : null;
    this.#list.show(this.#detail.steps, { failing });
  }

  async #change(path, method, body) {
    this.#status("");
    try {
      const { verdict } = await call(this.#config.apiUrl + path, method, body);
      const before = this.#detail.verdict;
      this.#detail = await call(this.#config.apiUrl);
      this.#draw();
      this.querySelector("[data-code]").textContent = this.#detail.code;
      if (verdict !== before || body?.selector !== undefined || method !== "PATCH") this.#unverified();
    } catch (error) {
      this.#status(error.message);
      this.#draw();
    }
  }

  #unverified() {
    const banner = this.querySelector("[data-banner]");
    if (this.#detail.verdict !== "unverified" || !banner) return;
    banner.className = "td-verdict td-verdict-unverified";
    banner.querySelector("[data-banner-icon]").textContent = "help";
    banner.querySelector("[data-banner-title]").textContent = "Not verified";
    banner.querySelector("[data-banner-text]").textContent = `${this.#detail.verdictReason} Replay it to know whether it still holds.`;
    banner.querySelector("[data-banner-picture]")?.remove();
  }

  async #copy(button) {
    const code = this.querySelector("[data-code]");
    try {
      await navigator.clipboard.writeText(code.textContent);
      this.#say(button, "Copied");
    } catch {
      // No clipboard without https: select it, so that Ctrl+C does it.
      getSelection().selectAllChildren(code);
      this.#say(button, "Press Ctrl+C");
    }
  }

  #say(button, text) {
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    label.textContent = text;
    setTimeout(() => (label.textContent = before), 2000);
  }

  #download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.querySelector("[data-code]").textContent], { type: "text/x-python" }));
    link.download = this.dataset.codeFilename;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async #console(box) {
    const body = box.querySelector("[data-console-lines]");
    try {
      const response = await fetch(box.dataset.url);
      if (!response.ok) throw new Error(`The server answered ${response.status}.`);
      const lines = (await response.text()).split("\n").filter(Boolean);
      body.replaceChildren();
      if (!lines.length) body.textContent = "The page wrote nothing to its console.";
      for (const line of lines.slice(0, 2000)) body.append(this.#consoleLine(line));
    } catch (error) {
      body.textContent = `The console log can not be read: ${error.message}`;
    }
  }

  #consoleLine(line) {
    const row = document.createElement("div");
    let entry = {};
    try {
      entry = JSON.parse(line);
    } catch {
      entry = { text: line };
    }
    const level = String(entry.level ?? entry.type ?? "log");
    row.className = `td-console-line td-console-${level}`;
    const cell = (name, text) => {
      const made = document.createElement("span");
      made.className = `td-console-${name}-cell`;
      made.textContent = text;
      row.append(made);
    };
    cell("at", String(entry.at ?? "").replace(/^.*T/, "").replace(/Z$/, ""));
    cell("level", level);
    cell("text", String(entry.text ?? entry.message ?? line));
    return row;
  }

  // Replays that run change; one socket on all of them, and the page's own rows are brought up to date.
  #watchReplays() {
    const running = this.#detail.replays.filter(({ status }) => status === "queued" || status === "running");
    if (!running.length) return;
    const socket = running.map(({ id }) => this.#watch(id));
    addEventListener("pagehide", () => socket.forEach((one) => one.close()));
  }

  #watch(jobId) {
    const url = new URL(`/ws/jobs/?job=${jobId}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    const row = this.querySelector(`[data-replay="${jobId}"]`);
    socket.addEventListener("message", (message) => {
      const { type, data } = JSON.parse(message.data);
      const note = row?.querySelector("[data-replay-note]");
      if (type === "job.state_changed" && row) {
        row.querySelector("job-status").show(data);
        if (["succeeded", "failed", "cancelled"].includes(data.status)) {
          socket.close();
          setTimeout(() => location.reload(), 300);
        }
      } else if (type === "replay.step_passed" && note) {
        note.textContent = `Step ${data.number} passed`;
      } else if (type === "replay.step_failed" && note) {
        note.textContent = `Step ${data.number} failed: ${data.error ?? ""}`;
      } else if (type === "job.progressed" && note && data.total) {
        note.textContent = `${data.done} of ${data.total} ${data.unit || ""}`;
      }
    });
    return socket;
  }

  #status(text) {
    this.querySelector("[data-status]").textContent = text;
  }
}

customElements.define("recording-ended", RecordingEnded);
