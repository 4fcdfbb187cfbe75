// One line for each event. Types that are not known here show their own facts, never nothing.

import { plain } from "./ansi.js";
import { bytes, clock, count, reasonWords, STATUS_WORDS } from "./words.js";

function shortly(value) {
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none";
  if (value === true || value === false) return value ? "yes" : "no";
  const text = value !== null && typeof value === "object" ? "others" : String(value ?? "none");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text || "none";
}

const WORDS = {
  "job.created": (data) => `Queued by ${data.ownerName}`,
  "job.state_changed": (data) => [STATUS_WORDS[data.status] ?? data.status, reasonWords(data.reason)].filter(Boolean).join(": "),
  "job.cancel_requested": (data) => `${data.by ?? "Somebody"} asked to cancel${data.reason ? `: ${data.reason}` : ""}`,
  "job.cancel_forced": (data) => `${data.by ?? "Somebody"} had it killed at once`,
  "job.metadata_edited": (data) => `${data.by} changed ${Object.entries(data.changes).map(([name, { from, to }]) => `${name} from ${shortly(from)} to ${shortly(to)}`).join(", ")}`,
  "job.rerun_submitted": (data) => `${data.by} ran it again as job ${data.jobId}`,
  "job.progressed": (data) => `${data.done}${data.total ? ` of ${data.total}` : ""} ${data.unit ?? ""}`.trim(),
  "attempt.started": (data) => `Attempt ${data.number} started on ${data.worker}`,
  "attempt.ended": (data) => [`Attempt ${data.number} ${data.outcome.replaceAll("_", " ")}`, reasonWords(data.reason)].filter(Boolean).join(": "),
  "artifact.added": (data) => `File ${data.path} (${bytes(data.sizeBytes)})`,
  log: (data) => `${count(data.lines.length, "line")} of ${data.stream}: ${plain(data.lines.at(-1) ?? "")}`,
};

// Types that end a bar of the timeline: `<topic>.<thing>_<outcome>`.
const OUTCOME = /([^._]+)_(passed|failed|succeeded|skipped|finished|ended|cancelled|errored|timed_out)$/;

function outcomeWords(data, thing, outcome) {
  const name = data.number === undefined ? (data.wording ?? data.name ?? "") : data.number;
  const took = typeof data.durationMs === "number" ? ` in ${clock(data.durationMs)}` : "";
  const why = data.error ?? data.reason ?? "";
  const words = `${thing} ${name}`.trim();
  return `${words[0].toUpperCase()}${words.slice(1)} ${outcome.replaceAll("_", " ")}${took}${why ? `: ${why}` : ""}`;
}

function spelled(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? (Array.isArray(value) ? count(value.length, "value") : "…") : String(value);
}

export function eventWords(event) {
  const word = WORDS[event.type];
  try {
    if (word) return word(event.data, event);
  } catch {
    // A shape of another version: shown like an unknown type.
  }
  if (event.type.endsWith(".phase_changed") && event.data?.phase) return `Phase: ${event.data.phase}`;
  const outcome = OUTCOME.exec(event.type);
  if (outcome && event.data) return outcomeWords(event.data, outcome[1], outcome[2]);
  // A kind's own sentence, where its event has one; else its facts.
  const said = [event.data?.wording, event.data?.text, event.data?.message].find((text) => typeof text === "string" && text);
  if (said) return [event.data.number, said, event.data.url].filter(Boolean).join(" · ");
  const facts = Object.entries(event.data ?? {}).slice(0, 5);
  return facts.map(([name, value]) => `${name} ${spelled(value)}`).join(" · ") || event.type;
}
