// <recording-state>: the state chip of one recording in a list; brings itself up to date while it runs.

import { call } from "./recording-api.js";

const LABELS = {
  queued: "Queued",
  starting: "Starting",
  recording: "Recording",
  paused: "Paused",
  saving: "Saving",
  verifying: "Verifying",
  ended: "Ending",
  verified: "Verified",
  not_verified: "Does not replay",
  saved: "Not verified",
  failed: "Failed",
  cancelled: "Cancelled",
};
const OVER = new Set(["verified", "not_verified", "saved", "failed", "cancelled"]);

// One socket for all chips of the page, on the jobs that are not over.
const watched = new Map();
let socket = null;
let tries = 0;

function connect() {
  const jobs = [...watched.keys()];
  if (!jobs.length) return;
  const url = new URL(`/ws/jobs/?job=${jobs.join(",")}`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url);
  socket.addEventListener("message", (message) => {
    tries = 0;
    const { jobId } = JSON.parse(message.data);
    watched.get(jobId)?.soon();
  });
  socket.addEventListener("close", () => setTimeout(connect, Math.min(1000 * 2 ** tries++, 15000)));
}

class RecordingState extends HTMLElement {
  #timer = 0;

  connectedCallback() {
    if (OVER.has(this.dataset.state)) return;
    watched.set(this.dataset.job, this);
    queueMicrotask(() => {
      if (!socket) connect();
    });
  }

  disconnectedCallback() {
    watched.delete(this.dataset.job);
    clearTimeout(this.#timer);
  }

  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), 300);
  }

  async #refresh() {
    try {
      const { state } = await call(`/api/recorder/sessions/${this.dataset.session}`);
      this.dataset.state = state;
      this.className = `td-state td-state-${state}`;
      this.textContent = LABELS[state] ?? state;
      if (OVER.has(state)) watched.delete(this.dataset.job);
    } catch {
      // The next event asks again; until then the chip says what was true before.
    }
  }
}

customElements.define("recording-state", RecordingState);
