// The columns of an extracted table: what each was mapped to, why, and how to set it right.

import { make } from "./dom.js";

const REASONS = {
  no_signal: "nothing points to a field",
  below_threshold: "not sure enough",
  ambiguous_top_candidates: "two fields fit as well",
  duplicate_field: "another column claims this field",
  empty_or_placeholder_header: "no header that says anything",
};

export function columnsOf({ config, corrections, correct, withdraw, promote }) {
  const said = make("p", { className: "td-quiet", role: "status" });
  const list = make("div", { className: "td-mapping" });
  const inTable = corrections.filter((each) => each.kind === "mapping" && each.table === config.table);
  for (const column of config.mapping) {
    const fixed = inTable.find((each) => each.column === column.column);
    list.append(line(column, fixed));
  }
  const open = corrections.filter((each) => each.promotedTo === null);
  const head = make("summary", { className: "td-card-head" }, make("h2", { textContent: "Columns" }), make("span", { className: "td-quiet", textContent: `${config.mapping.filter((each) => each.field).length} of ${config.mapping.length} mapped` }));
  const card = make("details", { className: "td-card td-card-flush", open: config.mapping.some((each) => !each.field) || corrections.length > 0 }, head, list);
  if (corrections.length) card.append(corrected());
  return card;

  function line(column, fixed) {
    const field = fixed ? fixed.field : column.field;
    const label = (name) => config.columns.find((each) => each.name === name)?.label ?? name;
    const header = make("div", {}, make("strong", { className: "td-strong", textContent: column.header || "(no header)" }), make("small", { textContent: column.examples.join(" · ") }));
    let chosen = make("span", { textContent: field ? label(field) : "–" });
    if (config.editable) {
      chosen = make("select", { className: "td-input", ariaLabel: `Field of column ${column.column}` }, make("option", { value: "", textContent: "– none –" }), ...config.columns.map((each) => make("option", { value: each.name, textContent: each.label })));
      chosen.value = field ?? "";
      chosen.addEventListener("change", async () => {
        try {
          await correct(column.column, chosen.value);
        } catch (error) {
          said.textContent = error.message;
          card.append(said);
        }
      });
    }
    const why = make("div", {});
    if (fixed) why.append(make("span", { className: "td-chip", dataset: { tone: "ok" }, textContent: "corrected" }), " ");
    if (column.unmappedReason) why.append(make("span", { className: "td-chip", dataset: { tone: "warn" }, textContent: column.unmappedReason }), make("small", { textContent: `${REASONS[column.unmappedReason]}${column.ties.length ? `: ${column.ties.join(", ")}` : ""}` }));
    const decided = [column.dateOrder && `dates ${column.dateOrder}${column.dateOrderFrom ? ` (as in column ${column.dateOrderFrom})` : ""}`, column.decimalSign && `decimal ${column.decimalSign}${column.decimalSignFrom ? ` (as in column ${column.decimalSignFrom})` : ""}`].filter(Boolean).join(", ");
    const candidates = column.candidates.map((each) => `${label(each.field)} ${each.score.toFixed(2)} (header ${each.header.toFixed(2)}, values ${each.values.toFixed(2)})`).join(" · ");
    why.append(make("small", { textContent: [candidates, decided].filter(Boolean).join(" — ") }));
    const score = make("span", { className: "td-score", textContent: column.candidates.length ? column.score.toFixed(2) : "–", title: "Score, 0 to 1" });
    return make("div", {}, make("span", { className: "td-kind", textContent: column.column }), header, chosen, score, why);
  }

  function corrected() {
    const items = corrections.map((each) => {
      const what = each.kind === "mapping" ? `Column ${each.column} of table ${each.table} (${each.header || "no header"}) is ${each.field || "no field"}` : `Row ${each.row} of table ${each.table}: ${each.field} is “${each.value}”`;
      const note = each.promotedTo ? make("span", { className: "td-chip", dataset: { tone: "ok" }, textContent: `in version ${each.promotedTo}` }) : make("button", { type: "button", className: "td-link", textContent: "Take back" });
      if (!each.promotedTo && config.editable) note.addEventListener("click", () => withdraw(each.id));
      return make("li", {}, `${what} `, each.promotedTo || config.editable ? note : "");
    });
    const part = make("div", { className: "td-pad td-list" }, make("h3", { textContent: "Corrections" }), make("ul", { className: "td-flaws" }, ...items), said);
    if (config.editable && open.length) {
      const button = make("button", { type: "button", className: "td-button td-primary", textContent: `Promote ${open.length} to the next draft` });
      button.addEventListener("click", async () => {
        button.disabled = true;
        try {
          const done = await promote();
          const left = done.leftOut.map((each) => each.why).join(" ");
          said.textContent = `${done.promoted.length} went into version ${done.version} of ${done.configuration}, a draft. ${left}`;
          setTimeout(() => location.reload(), left ? 6000 : 1200);
        } catch (error) {
          said.textContent = error.message;
          button.disabled = false;
        }
      });
      part.append(make("div", { className: "td-actions" }, button));
    }
    return part;
  }
}
