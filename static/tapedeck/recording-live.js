// <recording-live>: the page of a recording that has not ended: live browser, steps, and where it stands.
//
// Job events and the live socket say that something changed; what is shown comes from the API.

import "./live-browser.js";
import "./step-list.js";
import { LiveSocket } from "./live-socket.js";
import { call } from "./recording-api.js";

const REFRESH_AFTER_MS = 150;
const THUMBNAIL_PX = 192;
const FLOOR_MS = { queued: 1500, starting: 1500, saving: 1500, verifying: 1500 };
const LABELS = {
  queued: "Queued",
  starting: "Starting",
  recording: "Recording",
  paused: "Paused",
  saving: "Saving",
  verifying: "Verifying",
  ended: "Ending",
};

class RecordingLive extends HTMLElement {
  #config = null;
  #detail = null;
  #socket = null;
  #browser = null;
  #list = null;
  #live = new Map(); // key → the step as the live socket told it
  #thumbnails = new Map();
  #joined = false;
  #timer = 0;
  #floor = 0;
  #events = null;
  #lastSeq = 0;
  #tries = 0;
  #note = "";
  #stopping = false;

  connectedCallback() {
    this.#config = JSON.parse(document.getElementById("recording-config").textContent);
    this.#browser = this.querySelector("live-browser");
    this.#list = this.querySelector("step-list");
    this.#socket = new LiveSocket(this.#config.liveUrl);
    this.#browser.socket = this.#socket;
    this.#browser.addEventListener("steps", (event) => this.#joinedWith(event.detail));
    this.#browser.addEventListener("step", (event) => this.#stepped(event.detail));
    this.#browser.addEventListener("phase", () => this.#refreshSoon());
    this.#browser.addEventListener("ended", () => {
      this.#socket.close();
      this.#refreshSoon();
    });
    this.#browser.addEventListener("stop", () => this.#stop());
    this.#list.addEventListener("seen", ({ detail }) => this.#fetchPicture(detail.key));
    this.#list.addEventListener("edit", ({ detail }) => this.#command("editStep", detail));
    this.#list.addEventListener("remove", ({ detail }) => this.#command("deleteStep", detail));
    this.#list.addEventListener("restore", ({ detail }) => this.#command("restoreStep", detail));
    this.querySelector("[data-cancel]")?.addEventListener("click", () => this.#cancel());
    this.#show(this.#config.detail);
    this.#socket.connect();
    this.#listen();
  }

  disconnectedCallback() {
    this.#socket?.close();
    this.#events?.close();
    clearTimeout(this.#timer);
    clearTimeout(this.#floor);
  }

  // --- where the job stands

  #listen() {
    const url = new URL(`${this.#config.jobsUrl}&after=${this.#lastSeq}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#events = new WebSocket(url);
    this.#events.addEventListener("message", (message) => {
      this.#tries = 0;
      const event = JSON.parse(message.data);
      if (event.seq) this.#lastSeq = event.seq;
      this.#noted(event);
      this.#refreshSoon();
    });
    this.#events.addEventListener("close", () => {
      if (!this.isConnected) return;
      setTimeout(() => this.isConnected && this.#listen(), Math.min(500 * 2 ** this.#tries++, 8000));
    });
  }

  #noted({ type, data }) {
    if (type === "replay.step_started") this.#note = `Step ${data.number}: ${data.wording ?? ""}`;
    else if (type === "replay.started") this.#note = "The generated test starts in a fresh browser.";
    else if (type === "replay.step_failed") this.#note = `Step ${data.number} failed: ${data.error ?? ""}`;
    else if (type === "artifact.added") this.#note = `Saved ${data.path}.`;
  }

  #refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), REFRESH_AFTER_MS);
  }

  async #refresh() {
    clearTimeout(this.#floor);
    try {
      this.#show(await call(this.#config.apiUrl));
    } catch (error) {
      if (error.status === 401 || error.status === 403 || error.status === 404) {
        this.#status(error.message);
        return;
      }
      this.#status("The console does not answer. Trying again…");
    }
    this.#floor = setTimeout(() => this.#refresh(), FLOOR_MS[this.#detail?.state] ?? 5000);
  }

  #show(detail) {
    this.#detail = detail;
    if (["succeeded", "failed", "cancelled"].includes(detail.job.status)) {
      this.#socket.close();
      clearTimeout(this.#floor);
      location.replace(this.#config.pageUrl);
      return;
    }
    const state = detail.state;
    const chip = this.querySelector("[data-chip]");
    chip.textContent = LABELS[state] ?? state;
    chip.className = `td-state td-state-${state}`;
    this.dataset.state = state;
    this.#cover(detail);
    this.#drawSteps();
  }

  #cover({ state, queue, job, stopRequestedAt }) {
    const browser = this.#browser;
    if (job.cancelRequestedAt) {
      browser.cover("Cancelling…", "The browser is being closed; what was recorded so far is kept.");
    } else if (state === "queued") {
      if (!queue?.workers) {
        browser.cover("No worker is running", `This recording waits for a worker of the queue "${queue?.name}". Start one: ./run starts all of them, or manage.py up.`);
      } else if (queue.before) {
        browser.cover(`${queue.before} ${queue.before === 1 ? "job is" : "jobs are"} before this one`, `${queue.busy} of ${queue.workers} browser workers are busy. The recording starts as soon as one is free.`);
      } else if (queue.busy >= queue.workers) {
        browser.cover("Next in line", `All ${queue.workers} browser workers are busy. The recording starts as soon as one is free.`);
      } else {
        browser.cover("Starting…", "A worker is picking this recording up.");
      }
    } else if (state === "starting") {
      browser.cover("Starting the browser…", this.#note || "Chromium starts and opens the page.");
    } else if (state === "saving" || (stopRequestedAt && (state === "recording" || state === "paused"))) {
      browser.cover("Saving the evidence…", this.#note || "Trace, video, network log and screenshots are written.");
    } else if (state === "ended") {
      browser.cover("Almost done…", "The files are being shown.");
    } else if (state === "verifying") {
      const { done, total, unit } = job.progress;
      const count = total ? `${done} of ${total} ${unit || "steps"} passed. ` : "";
      browser.cover("Verifying by replay…", `${count}${this.#note}`.trim() || "The generated test runs in a fresh browser.");
    } else if (browser.dataset.live === undefined) {
      browser.cover("Connecting to the live browser…", "The recording is running.");
    } else {
      browser.cover(null);
    }
  }

  #status(text) {
    this.querySelector("[data-status]").textContent = text;
  }

  // --- steps

  #joinedWith(steps) {
    this.#joined = true;
    this.#live = new Map(steps.map((told) => [told.step.key, told]));
    this.#drawSteps();
    this.#refreshSoon();
  }

  #stepped(told) {
    const { key } = told.step;
    const before = this.#live.get(key);
    // A late change of a deleted step (its picture) does not bring it back.
    const deleted = { removed: true, restored: false }[told.op] ?? before?.deleted ?? false;
    this.#live.set(key, { ...before, ...told, deleted });
    if (told.op === "added") {
      const picture = this.#browser.thumbnail();
      if (picture) this.#thumbnails.set(key, picture);
    }
    this.#drawSteps();
  }

  #drawSteps() {
    let steps = this.#detail?.steps ?? [];
    if (this.#joined) {
      steps = [...this.#live.values()]
        .sort((a, b) => a.position - b.position)
        .map(({ step, wording, locator, deleted }) => ({
          ...step,
          wording,
          locator,
          alternatives: [],
          deletedAt: deleted ? "now" : null,
        }));
      let number = 0;
      steps = steps.map((step) => ({ ...step, number: step.deletedAt || step.flags?.length ? null : ++number }));
    }
    this.#list.show(steps.map((step) => ({ ...step, thumbnail: this.#thumbnails.get(step.key) })));
    const kept = steps.filter(({ number }) => number !== null).length;
    this.querySelector("[data-count]").textContent = String(kept);
    this.querySelector("[data-nothing]").hidden = steps.length > 0;
  }

  // A viewer who came later, or before the page was drawn, asks the session for what it kept.
  async #fetchPicture(key) {
    if (this.#thumbnails.has(key) || !this.#live.get(key)?.step.screenshot) return;
    this.#thumbnails.set(key, "");
    try {
      const { contentType, base64 } = await this.#socket.ask({ type: "picture", key });
      this.#thumbnails.set(key, await smaller(`data:${contentType};base64,${base64}`));
      this.#drawSteps();
    } catch {
      this.#thumbnails.delete(key); // no connection just now: asked again when it is next in view
    }
  }

  async #command(type, fields) {
    this.#status("");
    try {
      await this.#socket.ask({ type, ...fields });
    } catch (error) {
      this.#status(error.code === "not_in_control" ? "Only who controls the browser can change steps." : error.message);
      this.#drawSteps();
    }
  }

  async #stop() {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#status("");
    try {
      await call(`${this.#config.apiUrl}/stop`, "POST");
      this.#refreshSoon();
    } catch (error) {
      this.#status(error.message);
    } finally {
      this.#stopping = false;
    }
  }

  async #cancel() {
    if (!confirm("Cancel this recording? What was recorded so far is kept, but not verified.")) return;
    try {
      await call(`/api/jobs/${this.#config.jobId}/cancel`, "POST", {});
      this.#refreshSoon();
    } catch (error) {
      this.#status(error.message);
    }
  }
}

/** The picture, small: a long recording has hundreds of them. */
async function smaller(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = THUMBNAIL_PX;
  canvas.height = Math.max(1, Math.round((THUMBNAIL_PX * image.height) / image.width));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.7);
}

customElements.define("recording-live", RecordingLive);
