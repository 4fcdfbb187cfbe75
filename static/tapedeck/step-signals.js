// What a step set off, in words: its dialogs, popups, downloads and navigations.

const words = {
  navigation: ({ url }, step) => (url ? `goes to ${short(url, step.url)}` : ""),
  popup: ({ page }) => (page ? `opens ${page}` : "opens a tab"),
  download: ({ filename }) => `downloads ${filename || "a file"}`,
  crash: () => "the page crashed",
  dialog: ({ kind, accepted, text, message }) => {
    const said = message ? ` “${clip(message, 80)}”` : "";
    if (kind === "beforeunload") return accepted ? "leaves the page although it asks" : "stays on the page";
    if (kind === "alert") return `alert${said} read`;
    if (!accepted) return `${kind ?? "dialog"}${said} dismissed`;
    return kind === "prompt" ? `prompt${said} answered with “${shown(text)}”` : `${kind ?? "dialog"}${said} accepted`;
  },
};

/** One line for each signal that says more than the step itself does. */
export function signalLines(step) {
  const lines = (step.signals ?? []).map(({ name, params }) => {
    if (name === "navigation" && (step.action === "navigate" || step.action === "reload")) return "";
    return words[name]?.(params ?? {}, step) ?? name;
  });
  return [...new Set(lines.filter(Boolean))];
}

/** A secret is shown by its name. */
function shown(text) {
  return typeof text === "object" && text ? (text.secret ?? "") : clip(text ?? "", 80);
}

/** Of an address of the same site only what follows the host. */
function short(url, base) {
  try {
    const to = new URL(url);
    const same = base && new URL(base).origin === to.origin;
    return clip(same ? to.pathname + to.search + to.hash : url, 120);
  } catch {
    return clip(url, 120);
  }
}

function clip(text, most) {
  const one = String(text);
  return one.length > most ? `${one.slice(0, most)}…` : one;
}
