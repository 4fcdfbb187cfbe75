// JobSocket: events of one job (or "*") from where the client is, across lost connections.
//
// Dispatches "job-event" (detail: the event) and, on window, "tapedeck:connection"
// (detail: "open", "lost", "ended" or "refused"). Each event comes once: the socket resumes
// after the cursor of the last one.

const SLOWEST_MS = 15000;

export class JobSocket extends EventTarget {
  #query;
  #socket = null;
  #failures = 0;
  #timer = 0;
  #closed = false;

  constructor({ job, after = "", types = [] }) {
    super();
    this.#query = { job, after, type: types.join(",") };
  }

  open() {
    const url = new URL("/ws/jobs/", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    for (const [name, value] of Object.entries(this.#query)) if (value) url.searchParams.set(name, value);
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.#say("open");
    });
    socket.addEventListener("message", ({ data }) => {
      this.#failures = 0;
      const event = JSON.parse(data);
      this.#query.after = event.cursor;
      this.dispatchEvent(new CustomEvent("job-event", { detail: event }));
    });
    socket.addEventListener("close", ({ code }) => this.#over(code));
    addEventListener("online", this.#now);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#now);
    this.#socket?.close();
  }

  #now = () => {
    if (this.#socket?.readyState !== WebSocket.CLOSED || this.#closed) return;
    clearTimeout(this.#timer);
    this.open();
  };

  #over(code) {
    if (this.#closed) return;
    if (code === 1000) return this.#say("ended");
    if (code >= 4400 && code < 4500) return this.#say("refused");
    this.#say("lost");
    this.#failures += 1;
    // Spread out, so that a restarted server is not met by everybody at once.
    const wait = Math.min(SLOWEST_MS, 500 * 2 ** Math.min(this.#failures - 1, 5)) * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(this.#now, wait);
  }

  #say(state) {
    dispatchEvent(new CustomEvent("tapedeck:connection", { detail: state }));
  }
}
