// A place in a document as an address of its page, and in words.

const ADDRESS = /^#page-(\d+)(?::(?:(\d+)-(\d+)|([A-Z]{1,3}\d{1,7})))?$/;

/** {page, start, end} or {page, cell}; null where the address names none. */
export function placeAt(hash) {
  const found = ADDRESS.exec(hash);
  if (!found) return null;
  const [, page, start, end, cell] = found;
  return { page: Number(page), ...(end ? { start: Number(start), end: Number(end) } : {}), ...(cell ? { cell } : {}) };
}

export function addressOf({ page, start = 0, end, cell }) {
  return `#page-${page}${cell ? `:${cell}` : end ? `:${start}-${end}` : ""}`;
}

/** `Prices B7`, or `page 3`. */
export function placeWords({ page, sheet, cell }) {
  return cell ? [sheet, cell].filter(Boolean).join(" ") : page ? `page ${page}` : "";
}
