// The console's own right-click menu over the live page, and the form of an assertion.

import { make } from "./dom.js";

/** A menu at (clientX, clientY) inside `host`; `entries` are [label, action] or null for a line. */
export function openMenu(host, { clientX, clientY }, entries) {
  closeMenu(host);
  const menu = make("div", { className: "td-live-menu" });
  menu.setAttribute("role", "menu");
  for (const entry of entries) {
    if (!entry) {
      menu.append(make("hr"));
      continue;
    }
    const [label, action] = entry;
    const button = make("button", { type: "button", textContent: label });
    button.setAttribute("role", "menuitem");
    button.addEventListener("click", () => {
      closeMenu(host);
      action();
    });
    menu.append(button);
  }
  const own = host.getBoundingClientRect();
  host.append(menu);
  menu.style.left = `${Math.max(0, Math.min(clientX - own.x, host.clientWidth - menu.offsetWidth))}px`;
  menu.style.top = `${Math.max(0, Math.min(clientY - own.y, host.clientHeight - menu.offsetHeight))}px`;
  const buttons = [...menu.querySelectorAll("button")];
  buttons[0]?.focus({ preventScroll: true });
  menu.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) buttons.at(to % buttons.length)?.focus();
    else if (event.key === "Escape") closeMenu(host);
    else return;
    event.preventDefault();
  });
  const away = (event) => {
    if (menu.contains(event.target)) return;
    document.removeEventListener("pointerdown", away, true);
    closeMenu(host);
  };
  document.addEventListener("pointerdown", away, true);
}

export function closeMenu(host) {
  host.querySelector(".td-live-menu")?.remove();
}

const KINDS = [
  ["visible", "is visible"],
  ["text", "contains the text"],
  ["value", "has the value"],
  ["checked", "is checked"],
  ["url", "the page's address is"],
];

/** What the element at a point offers to assert; resolves to {kind, expected} or null. */
export function askAssertion(host, { inspected, kind = "visible", url = "" }) {
  host.querySelector(".td-live-assert")?.remove();
  const { element: described, python, rect } = inspected;
  const suggested = { text: described.text ?? "", value: "", url };
  return new Promise((resolve) => {
    const choice = make("select", { name: "kind" });
    choice.setAttribute("aria-label", "What to assert");
    for (const [value, textContent] of KINDS) choice.append(make("option", { value, textContent }));
    choice.value = kind;
    const expected = make("input", { type: "text", name: "expected" });
    expected.setAttribute("aria-label", "Expected");
    expected.placeholder = "what it shows now";
    const form = make(
      "form",
      { className: "td-live-assert" },
      make("strong", { textContent: "Assert that" }),
      make("code", { textContent: python }),
      choice,
      expected,
    );
    const cancel = make("button", { type: "button", className: "td-button", textContent: "Cancel" });
    form.append(
      make(
        "div",
        { className: "td-live-buttons" },
        cancel,
        make("button", { className: "td-button td-primary", textContent: "Add assertion" }),
      ),
    );
    let touched = false;
    const fit = () => {
      const known = suggested[choice.value];
      expected.hidden = known === undefined;
      // What the page shows now is what the session takes when nothing else is asked for.
      if (!touched) expected.value = known ?? "";
    };
    expected.addEventListener("input", () => (touched = true));
    choice.addEventListener("change", fit);
    const finish = (answer) => {
      form.remove();
      resolve(answer);
    };
    cancel.addEventListener("click", () => finish(null));
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      finish(null);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const answer = { kind: choice.value };
      if (touched) answer.expected = expected.value;
      finish(answer);
    });
    fit();
    host.append(form);
    const at = host.toScreen(rect);
    const below = at.y + at.height + 8;
    form.style.left = `${Math.max(0, Math.min(at.x, host.clientWidth - form.offsetWidth))}px`;
    form.style.top = `${Math.max(0, Math.min(below, host.clientHeight - form.offsetHeight))}px`;
    choice.focus();
  });
}
