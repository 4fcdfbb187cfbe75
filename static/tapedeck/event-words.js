// One line for each event. Types that are not known here show their own facts, never nothing.

import { bytes, count, reasonWords, STATUS_WORDS } from "./words.js";

const WORDS = {
  "job.created": (data) => `Queued by ${data.ownerName}`,
  "job.state_changed": (data) => [STATUS_WORDS[data.status] ?? data.status, reasonWords(data.reason)].filter(Boolean).join(": "),
  "job.cancel_requested": (data) => `${data.by ?? "Somebody"} asked to cancel${data.reason ? `: ${data.reason}` : ""}`,
  "job.progressed": (data) => `${data.done}${data.total ? ` of ${data.total}` : ""} ${data.unit ?? ""}`.trim(),
  "attempt.started": (data) => `Attempt ${data.number} started on ${data.worker}`,
  "attempt.ended": (data) => [`Attempt ${data.number} ${data.outcome.replaceAll("_", " ")}`, reasonWords(data.reason)].filter(Boolean).join(": "),
  "artifact.added": (data) => `File ${data.path} (${bytes(data.sizeBytes)})`,
  log: (data) => `${count(data.lines.length, "line")} of ${data.stream}: ${data.lines.at(-1) ?? ""}`,
};

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
  const facts = Object.entries(event.data ?? {}).slice(0, 5);
  return facts.map(([name, value]) => `${name} ${spelled(value)}`).join(" · ") || event.type;
}
