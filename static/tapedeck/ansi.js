// Colours in a log: escape sequences become spans with text; everything else they could do is dropped.

// CSI (colours, cursor movements), OSC (titles, links), charset switches and single escapes; then
// control characters that have no picture. Tabs stay.
// eslint-disable-next-line no-control-regex
const SEQUENCE = /\u001b\[([0-9;:?<=>]*)([ -/]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const LEVELS = [0, 95, 135, 175, 215, 255];

function indexed(number) {
  if (number < 16) return { code: number };
  if (number >= 232) {
    const grey = 8 + (number - 232) * 10;
    return { rgb: `rgb(${grey} ${grey} ${grey})` };
  }
  const at = number - 16;
  return { rgb: `rgb(${LEVELS[Math.floor(at / 36)]} ${LEVELS[Math.floor(at / 6) % 6]} ${LEVELS[at % 6]})` };
}

function extended(codes, at) {
  const byte = (value) => Math.min(Math.max(value || 0, 0), 255);
  if (codes[at + 1] === 5) return [indexed(byte(codes[at + 2])), at + 2];
  if (codes[at + 1] === 2) return [{ rgb: `rgb(${byte(codes[at + 2])} ${byte(codes[at + 3])} ${byte(codes[at + 4])})` }, at + 4];
  return [null, at];
}

function applied(style, parameters) {
  const codes = parameters.split(/[;:]/).map((code) => Number(code) || 0);
  let now = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) now = {};
    else if (code === 1) now.bold = true;
    else if (code === 2) now.dim = true;
    else if (code === 3) now.italic = true;
    else if (code === 4) now.underline = true;
    else if (code === 7) now.inverse = true;
    else if (code === 9) now.struck = true;
    else if (code === 22) now = { ...now, bold: false, dim: false };
    else if (code === 23) now.italic = false;
    else if (code === 24) now.underline = false;
    else if (code === 27) now.inverse = false;
    else if (code === 29) now.struck = false;
    else if (code >= 30 && code <= 37) now.fg = { code: code - 30 };
    else if (code >= 90 && code <= 97) now.fg = { code: code - 82 };
    else if (code >= 40 && code <= 47) now.bg = { code: code - 40 };
    else if (code >= 100 && code <= 107) now.bg = { code: code - 92 };
    else if (code === 39) now.fg = null;
    else if (code === 49) now.bg = null;
    else if (code === 38) [now.fg, at] = extended(codes, at);
    else if (code === 48) [now.bg, at] = extended(codes, at);
  }
  return now;
}

// What a terminal would show of a line that rewrites itself.
function settled(text) {
  const parts = text.replace(/\r+$/, "").split("\r");
  return parts[parts.length - 1];
}

/** The line's text without any escape sequence. */
export function plain(text) {
  return settled(text).replace(SEQUENCE, "");
}

/** The line as [{text, style}]; style: {fg, bg} ({code} of 16 or {rgb}), bold, dim, italic, underline, inverse, struck. */
export function styled(text) {
  const runs = [];
  let style = {};
  let from = 0;
  const line = settled(text);
  const push = (to) => {
    if (to > from) runs.push({ text: line.slice(from, to), style });
  };
  for (const found of line.matchAll(SEQUENCE)) {
    push(found.index);
    from = found.index + found[0].length;
    if (found[3] === "m") style = applied(style, found[1]);
  }
  push(line.length);
  return runs;
}

/** A span for a run; colours of 16 are classes, so that they are readable on light and dark. */
export function span({ text, style }) {
  const element = document.createElement("span");
  element.textContent = text;
  const { fg, bg } = style.inverse ? { fg: style.bg ?? { inverse: true }, bg: style.fg ?? { inverse: true } } : style;
  for (const [name, colour] of [["fg", fg], ["bg", bg]]) {
    if (!colour) continue;
    if (colour.inverse) element.classList.add(`td-ansi-${name}-inverse`);
    else if (colour.code !== undefined) element.classList.add(`td-ansi-${name}-${colour.code}`);
    else element.style.setProperty(`--td-ansi-${name}`, colour.rgb);
    if (colour.rgb) element.classList.add(`td-ansi-${name}`);
  }
  for (const name of ["bold", "dim", "italic", "underline", "struck"]) if (style[name]) element.classList.add(`td-ansi-${name}`);
  return element;
}
