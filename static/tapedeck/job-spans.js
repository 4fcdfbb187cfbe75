// What a job's events say it was busy with, as bars: by their types' names, whatever the kind.
// The convention is in docs/event-types.md ("On the timeline").

const ENDED = "passed|failed|succeeded|skipped|finished|ended|cancelled|errored|timed_out";
const STARTS = /^(.+)_started$/;
const ENDS = new RegExp(`^(.+)_(${ENDED})$`);
const PHASES = /^(.+)\.phase_changed$/;
// The last phase of all says that there is nothing more to show.
const OVER = "ended";

function sentence(word) {
  const spelled = word.replaceAll("_", " ");
  return spelled.charAt(0).toUpperCase() + spelled.slice(1);
}

export class Spans {
  // "attempt/topic/name" → {key, attempt, word, phase, bars: [{from, to, outcome, why}]}, in order of first start.
  #rows = new Map();
  // What is going on: the same keys, and "attempt/topic" for phases.
  #open = new Map();
  #began = new Map();

  /** Whether the event changed a bar. */
  take(event) {
    const { type, attempt, data } = event;
    const at = new Date(event.at);
    if (type === "attempt.started") {
      this.#began.set(data.number, at);
      return false;
    }
    if (type === "attempt.ended") return this.#close(data.number, at, data.outcome);
    const phases = PHASES.exec(type);
    if (phases && typeof data.phase === "string") return this.#phase(`${attempt}/${phases[1]}`, attempt, data.phase, at);
    const starts = STARTS.exec(type);
    const ends = ENDS.exec(type);
    if (!starts && !ends) return false;
    const key = `${attempt}/${(starts ?? ends)[1]}/${data.key ?? data.number ?? ""}`;
    if (starts) {
      const words = String(data.wording ?? data.name ?? sentence(starts[1].split(".").at(-1)));
      this.#start(key, key, attempt, data.number === undefined ? words : `${data.number}. ${words}`, at, "running");
      return true;
    }
    const bar = this.#open.get(key);
    if (!bar) return false;
    Object.assign(bar, { to: at, outcome: ends[2], why: data.error ?? data.reason ?? "" });
    this.#open.delete(key);
    return true;
  }

  /** The rows of an attempt. */
  of(attempt) {
    return [...this.#rows.values()].filter((row) => row.attempt === attempt);
  }

  #phase(topic, attempt, phase, at) {
    const before = this.#open.get(topic);
    if (before) Object.assign(before, { to: at, outcome: "phase" });
    else if (this.#began.has(attempt) && !this.#rows.has(`${topic}/starting`)) {
      this.#start(`${topic}/starting`, topic, attempt, "Starting", this.#began.get(attempt), "phase");
      this.#open.get(topic).to = at;
    }
    this.#open.delete(topic);
    if (phase !== OVER) this.#start(`${topic}/${phase}`, topic, attempt, sentence(phase), at, "running");
    return true;
  }

  #start(key, slot, attempt, word, from, outcome) {
    const bar = { from, to: null, outcome, why: "" };
    const row = this.#rows.get(key) ?? { key, attempt, word, phase: slot !== key, bars: [] };
    row.bars.push(bar);
    this.#rows.set(key, row);
    this.#open.set(slot, bar);
  }

  #close(attempt, at, outcome) {
    let any = false;
    for (const [slot, bar] of this.#open) {
      if (!slot.startsWith(`${attempt}/`)) continue;
      // A phase of an attempt that ended badly was not to blame as such.
      Object.assign(bar, { to: at, outcome: slot.split("/").length === 2 ? "phase" : outcome });
      this.#open.delete(slot);
      any = true;
    }
    return any;
  }
}
