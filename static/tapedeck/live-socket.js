// The live view's protocol (docs/live-protocol.md) over one socket that comes back by itself.

const BACKOFF_MS = [250, 500, 1000, 2000, 4000];
// Codes after which trying again can not help: not logged in, not yours, not there, not live.
const FINAL = new Set([4401, 4403, 4404, 4409]);
const ANSWER_TIMEOUT_MS = 30_000;

export class LiveError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Events: "frame" (detail {header, blob}), "message" (detail: the JSON), "link" (detail
 * {state: "connecting" | "open" | "lost" | "closed", code, inMs}).
 */
export class LiveSocket extends EventTarget {
  #path;
  #socket = null;
  #tries = 0;
  #timer = 0;
  #nextRef = 1;
  #waiting = new Map();
  #closed = false;

  constructor(path) {
    super();
    this.#path = path;
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    this.#closed = false;
    clearTimeout(this.#timer);
    const url = new URL(this.#path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#tell("link", { state: "connecting" });
    socket.addEventListener("message", (event) => this.#take(event.data));
    socket.addEventListener("close", (event) => {
      if (socket !== this.#socket) return;
      this.#fail(new LiveError("connection_lost", "The connection to the browser was lost."));
      if (this.#closed || FINAL.has(event.code)) {
        this.#tell("link", { state: "closed", code: event.code });
        return;
      }
      const inMs = BACKOFF_MS[Math.min(this.#tries++, BACKOFF_MS.length - 1)];
      this.#tell("link", { state: "lost", code: event.code, inMs });
      this.#timer = setTimeout(() => this.connect(), inMs);
    });
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
  }

  /** Send and forget; false when there is no connection. */
  send(message) {
    if (!this.open) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Send and wait for `ok` (or `inspected`), or throw the LiveError that came instead. */
  ask(message) {
    const ref = this.#nextRef++;
    return new Promise((resolve, reject) => {
      if (!this.send({ ...message, ref })) {
        reject(new LiveError("not_connected", "There is no connection to the browser."));
        return;
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(ref);
        reject(new LiveError("no_answer", "The browser did not answer in time."));
      }, ANSWER_TIMEOUT_MS);
      this.#waiting.set(ref, { resolve, reject, timer });
    });
  }

  #take(data) {
    if (data instanceof ArrayBuffer) {
      const length = new DataView(data).getUint32(0);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      const blob = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
      this.#tell("frame", { header, blob });
      return;
    }
    const message = JSON.parse(data);
    const waiting = message.ref === undefined ? undefined : this.#waiting.get(message.ref);
    if (waiting) {
      this.#waiting.delete(message.ref);
      clearTimeout(waiting.timer);
      if (message.type === "error") waiting.reject(new LiveError(message.code, message.message));
      else waiting.resolve(message);
    }
    if (message.type === "welcome") {
      this.#tries = 0;
      this.#tell("link", { state: "open" });
    }
    this.#tell("message", message);
  }

  #fail(error) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
