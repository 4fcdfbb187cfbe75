// How jobs, times and sizes are put in words; the same words as jobs/console.py.

export const STATUS_WORDS = {
  queued: "Queued",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  cancelled: "Cancelled",
};

export const TERMINAL = new Set(["succeeded", "failed", "cancelled"]);

let reasons = null;

export function reasonWords(reason) {
  if (!reason) return "";
  reasons ??= JSON.parse(document.getElementById("reason-words")?.textContent ?? "{}");
  const spelled = reason.replaceAll("_", " ");
  return reasons[reason] ?? `${spelled[0].toUpperCase()}${spelled.slice(1)}.`;
}

export function clock(ms) {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = (seconds % 3600) / 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${Math.floor(minutes)}:${two(seconds % 60)}`;
}

export function ago(date, now = Date.now()) {
  const seconds = (now - date) / 1000;
  const size = Math.abs(seconds);
  const [unit, span] = [["d", 86400], ["h", 3600], ["min", 60]].find(([, each]) => size >= each) ?? ["s", 1];
  const word = `${Math.floor(size / span)} ${unit}`;
  return seconds < -1 ? `in ${word}` : `${word} ago`;
}

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = size;
  let at = -1;
  do {
    value /= 1000;
    at += 1;
  } while (value >= 1000 && at < units.length - 1);
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[at]}`;
}

export function count(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

// The zone that this person set, or undefined: the browser's own.
export const timeZone = document.querySelector('meta[name="tapedeck-time-zone"]')?.content;

const clockOfZone = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export function timeOfDay(iso) {
  return clockOfZone.format(new Date(iso));
}

// Date and time in full, with the zone's name where the person chose one.
export function absolute(date) {
  return date.toLocaleString(undefined, timeZone ? { timeZone, dateStyle: "medium", timeStyle: "long" } : undefined);
}
