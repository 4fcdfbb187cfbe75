// What Chromium draws outside the page (lists, pickers, file chooser, dialogs), drawn by the console.

import { icon, make } from "./dom.js";

const UPLOAD_MAX_BYTES = 45 * 1024 * 1024; // 64 MiB a message, base64 takes a third more

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

/** Shows each open request of the session over `screen`; `answer(message)` sends what was chosen. */
export class Overlays {
  #screen;
  #answer;
  #open = new Map();
  enabled = false;

  constructor(screen, answer) {
    this.#screen = screen;
    this.#answer = answer;
  }

  /** True when `message` was one of these requests (or the end of one). */
  take(message) {
    const { type, requestId } = message;
    if (type === "dialogClosed" || type === "requestClosed") {
      this.#remove(requestId);
      return true;
    }
    const build = {
      selectRequested: () => this.#select(message),
      pickerRequested: () => this.#picker(message),
      uploadRequested: () => this.#upload(message),
      dialogOpened: () => this.#dialog(message),
    }[type];
    if (!build) return false;
    this.#remove(requestId);
    const box = build();
    box.classList.toggle("td-live-readonly", !this.enabled);
    this.#open.set(requestId, box);
    this.#screen.append(box);
    if (message.rect) this.#place(box, message.rect);
    if (this.enabled) box.querySelector("[autofocus], select, input, button")?.focus();
    return true;
  }

  clear() {
    for (const id of [...this.#open.keys()]) this.#remove(id);
  }

  #remove(requestId) {
    const box = this.#open.get(requestId);
    if (!box) return;
    const hadFocus = box.contains(document.activeElement);
    this.#open.delete(requestId);
    box.remove();
    if (hadFocus) this.#screen.focusKeys();
  }

  #reply(requestId, message) {
    if (!this.enabled) return;
    this.#remove(requestId);
    this.#screen.focusKeys();
    this.#answer({ ...message, requestId });
  }

  #place(box, rect) {
    const at = this.#screen.toScreen(rect);
    const room = this.#screen.clientHeight - at.y - at.height;
    const above = room < box.offsetHeight && at.y > room;
    box.style.left = `${Math.max(0, Math.min(at.x, this.#screen.clientWidth - box.offsetWidth))}px`;
    box.style.top = above ? `${Math.max(0, at.y - box.offsetHeight)}px` : `${at.y + at.height}px`;
    box.style.minWidth = `${Math.min(at.width, this.#screen.clientWidth)}px`;
  }

  #select({ requestId, options, multiple }) {
    const list = make("select", { multiple, size: Math.min(Math.max(options.length, 2), 10) });
    list.setAttribute("aria-label", "Choose for the list in the page");
    const groups = new Map();
    for (const { value, label, selected, disabled, group } of options) {
      const option = make("option", { value, textContent: label || value, selected, disabled });
      if (!group) {
        list.append(option);
        continue;
      }
      if (!groups.has(group)) {
        groups.set(group, make("optgroup", { label: group }));
        list.append(groups.get(group));
      }
      groups.get(group).append(option);
    }
    const choose = () =>
      this.#reply(requestId, {
        type: "select",
        values: [...list.selectedOptions].map((option) => option.value),
      });
    const box = make("div", { className: "td-live-popup" }, list);
    if (multiple) {
      box.append(this.#buttons("Choose", choose, () => this.#reply(requestId, { type: "select", values: null })));
    } else {
      list.addEventListener("click", (event) => {
        if (event.target instanceof HTMLOptionElement && !event.target.disabled) choose();
      });
    }
    this.#keys(box, choose, () => this.#reply(requestId, { type: "select", values: null }));
    return box;
  }

  #picker({ requestId, kind, value, min, max, step }) {
    const input = make("input", { type: kind });
    for (const [name, given] of Object.entries({ min, max, step })) {
      if (given) input.setAttribute(name, given);
    }
    input.value = value ?? "";
    input.setAttribute("aria-label", `Choose a ${kind} for the page`);
    const set = () => this.#reply(requestId, { type: "fillPicker", value: input.value });
    const close = () => this.#reply(requestId, { type: "fillPicker", value: null });
    const box = make("div", { className: "td-live-popup td-live-picker" }, input, this.#buttons("Set", set, close));
    this.#keys(box, set, close);
    return box;
  }

  #upload({ requestId, multiple, accept }) {
    const input = make("input", { type: "file", multiple, accept: accept ?? "" });
    input.setAttribute("aria-label", "Files to upload");
    // The theme's script would else look for its own file widget around this input, and fail.
    input.hasChangeListener = true;
    const problem = make("p", { className: "td-live-problem", hidden: true });
    problem.setAttribute("role", "alert");
    const cancel = () => this.#reply(requestId, { type: "upload", files: null });
    const send = async () => {
      const chosen = [...input.files];
      const total = chosen.reduce((sum, file) => sum + file.size, 0);
      problem.hidden = true;
      if (!chosen.length || total > UPLOAD_MAX_BYTES) {
        problem.textContent = chosen.length
          ? "These files are larger than 45 MB together; choose smaller ones."
          : "Choose a file first.";
        problem.hidden = false;
        return;
      }
      const files = await Promise.all(
        chosen.map(async (file) => ({
          name: file.name,
          contentType: file.type || "application/octet-stream",
          base64: await base64(file),
        })),
      );
      this.#reply(requestId, { type: "upload", files });
    };
    return this.#modal(
      "The page asks for a file",
      "It is uploaded to the page and kept with the recording.",
      input,
      problem,
      this.#buttons("Upload", send, cancel),
    );
  }

  #dialog({ requestId, kind, message, defaultValue }) {
    const titles = {
      alert: "The page says",
      confirm: "The page asks",
      prompt: "The page asks",
      beforeunload: "Leave this page?",
    };
    const text = kind === "beforeunload" ? "Changes you made may not be saved." : message;
    const input = kind === "prompt" ? make("input", { type: "text", value: defaultValue ?? "" }) : null;
    input?.setAttribute("aria-label", message);
    const accept = () =>
      this.#reply(requestId, { type: "dialog", accept: true, ...(input ? { text: input.value } : {}) });
    const dismiss =
      kind === "alert" ? null : () => this.#reply(requestId, { type: "dialog", accept: false });
    const label = kind === "beforeunload" ? "Leave" : "OK";
    const box = this.#modal(titles[kind] ?? kind, text, ...(input ? [input] : []), this.#buttons(label, accept, dismiss));
    this.#keys(box, accept, dismiss ?? accept);
    return box;
  }

  #modal(title, text, ...children) {
    const panel = make(
      "div",
      { className: "td-live-panel" },
      make("strong", { textContent: title }),
      make("p", { textContent: text }),
      ...children,
    );
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", title);
    return make("div", { className: "td-live-modal" }, panel);
  }

  #buttons(label, accept, cancel) {
    const yes = make("button", { type: "button", className: "td-button td-primary", textContent: label });
    yes.addEventListener("click", accept);
    const row = make("div", { className: "td-live-buttons" }, yes);
    if (cancel) {
      const no = make("button", { type: "button", className: "td-button", textContent: "Cancel" });
      no.addEventListener("click", cancel);
      row.prepend(no);
    }
    return row;
  }

  #keys(box, accept, cancel) {
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !(event.target instanceof HTMLButtonElement)) {
        event.preventDefault();
        accept();
      } else if (event.key === "Escape") {
        event.preventDefault();
        cancel();
      }
    });
  }
}
