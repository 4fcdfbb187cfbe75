// <live-browser>: the recorded browser with its bars. Its `socket` is a LiveSocket.
//
// Emits "phase" (detail: the phase), "step" (a step message), "steps" (all of them, on joining),
// "stop" (the operator asks to stop and save) and "ended".

import { icon, make } from "./dom.js";
import { Overlays } from "./live-overlays.js";
import { askAssertion, openMenu } from "./live-menu.js";
import "./live-screen.js";
import "./live-zoom.js";

const INSPECT_EVERY_MS = 80;
const NOTICE_MS = 8000;
const CLOSED = {
  4401: "You are no longer logged in. Log in again in another tab, then reload this page.",
  4403: "You may not watch this recording.",
  4404: "This recording no longer exists.",
  4409: "The live browser has ended.",
};

export class LiveBrowser extends HTMLElement {
  #socket = null;
  #screen = document.createElement("live-screen");
  #overlays = null;
  #phase = "";
  #pages = [];
  #control = { holder: null, viewers: [], mine: false, allowed: false };
  #viewer = null;
  #inspecting = false;
  #wanted = null;
  #bars = {};

  connectedCallback() {
    if (this.firstChild) return;
    this.#overlays = new Overlays(this.#screen, (message) => this.#ask(message));
    this.#build();
    this.#screen.addEventListener("gesture", (event) => this.#socket?.send(event.detail));
    this.#screen.addEventListener("menu", (event) => this.#menu(event.detail));
    this.#screen.addEventListener("point", (event) => this.#pointed(event.detail));
    this.#screen.addEventListener("leave", () => {
      this.#wanted = null;
      this.#screen.outline(null);
    });
    this.#screen.addEventListener("escape", () => this.#setMode("use"));
    this.#refresh();
  }

  set socket(socket) {
    this.#socket = socket;
    socket.addEventListener("frame", (event) => {
      this.#screen.show(event.detail, (id) => socket.send({ type: "ack", id }));
      this.dataset.live = "";
      this.#bars.cover.hidden = true;
    });
    socket.addEventListener("message", (event) => this.#take(event.detail));
    socket.addEventListener("link", (event) => this.#linked(event.detail));
  }

  /** What is shown instead of a picture while there is none yet; null takes it away. */
  cover(title, text = "", action = null) {
    const { cover } = this.#bars;
    cover.hidden = title === null;
    if (title === null) return;
    cover.replaceChildren(make("strong", { textContent: title }), make("p", { textContent: text }));
    if (action) cover.append(make("a", { ...action, className: "td-button" }));
  }

  /** A small picture of the page as it is now, for the step that was just recorded. */
  thumbnail() {
    const source = this.#screen.querySelector("canvas");
    if (!this.#screen.frame || !source.width) return null;
    const small = document.createElement("canvas");
    small.width = 192;
    small.height = Math.round((192 * source.height) / source.width);
    small.getContext("2d").drawImage(source, 0, 0, small.width, small.height);
    return small.toDataURL("image/jpeg", 0.7);
  }

  async #ask(message) {
    try {
      return await this.#socket.ask(message);
    } catch (error) {
      this.#notice("error", error.message);
      return null;
    }
  }

  #build() {
    const button = (name, label, action, text = "") => {
      const made = make("button", { type: "button", className: "td-live-tool", title: label }, icon(name));
      made.setAttribute("aria-label", label);
      if (text) made.append(make("span", { textContent: text }));
      made.addEventListener("click", action);
      return made;
    };
    const nav = (name, label, type) => button(name, label, () => this.#ask({ type }));
    const address = make("input", { type: "text", name: "url", inputMode: "url", autocomplete: "off", spellcheck: false });
    address.setAttribute("aria-label", "Address of the recorded page");
    const form = make("form", { className: "td-live-address" }, address);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!address.value.trim()) return;
      this.#ask({ type: "navigate", url: address.value.trim() });
      this.#screen.focusKeys();
    });
    address.addEventListener("focus", () => address.select());
    this.#bars = {
      address,
      tabs: make("div", { className: "td-live-tabs" }),
      assert: button("ads_click", "Assert: point at an element and say what must hold", () => this.#toggle("assert"), "Assert"),
      drag: button("drag_pan", "Drag: press on an element and release on another", () => this.#toggle("drag"), "Drag"),
      pause: button("pause", "Pause: what you do leaves no steps", () => this.#ask({ type: this.#phase === "paused" ? "resume" : "pause" }), "Pause"),
      stop: button("stop_circle", "Stop, save the evidence and verify by replay", () => this.dispatchEvent(new CustomEvent("stop")), "Stop and save"),
      control: make("div", { className: "td-live-control" }),
      banner: make("div", { className: "td-live-banner", hidden: true }),
      notices: make("div", { className: "td-live-notices" }),
      cover: make("div", { className: "td-live-cover", hidden: true }),
      hint: make("div", { className: "td-live-hint" }),
    };
    this.#bars.stop.classList.add("td-live-stop");
    this.#bars.tabs.setAttribute("role", "tablist");
    this.#bars.tabs.setAttribute("aria-label", "Tabs of the recorded browser");
    this.#bars.notices.setAttribute("role", "status");
    this.#bars.hint.setAttribute("role", "status");
    this.#bars.banner.setAttribute("role", "status");
    this.#bars.cover.setAttribute("role", "status");
    this.#bars.nav = make(
      "div",
      { className: "td-live-nav" },
      nav("arrow_back", "Back", "back"),
      nav("arrow_forward", "Forward", "forward"),
      nav("refresh", "Reload", "reload"),
      form,
    );
    const zoom = document.createElement("live-zoom");
    // With the keyboard it is scrolled by the arrows, once the focus is on it.
    const scroller = make("div", { className: "td-live-scroller", tabIndex: 0 }, this.#screen);
    scroller.setAttribute("role", "group");
    scroller.setAttribute("aria-label", "Recorded page; scrolls when it is enlarged");
    this.append(
      make(
        "div",
        { className: "td-live-tools" },
        this.#bars.assert,
        this.#bars.drag,
        this.#bars.pause,
        this.#bars.control,
        this.#bars.stop,
      ),
      this.#bars.tabs,
      this.#bars.nav,
      this.#bars.banner,
      make("div", { className: "td-live-stage" }, scroller, this.#bars.cover, this.#bars.notices),
      make("div", { className: "td-live-foot" }, this.#bars.hint, zoom),
    );
    zoom.watch(scroller, this.#screen);
  }

  #take(message) {
    if (this.#overlays.take(message)) return;
    switch (message.type) {
      case "welcome":
        this.#viewer = message.viewer;
        this.#control = message.control;
        this.#pages = message.pages;
        this.#overlays.clear();
        this.#setPhase(message.phase);
        this.#refresh();
        this.#drawTabs();
        for (const request of message.requests ?? []) this.#overlays.take(request);
        this.dispatchEvent(new CustomEvent("steps", { detail: message.steps }));
        break;
      case "phase":
        this.#setPhase(message.phase);
        break;
      case "pages":
        this.#pages = message.pages;
        this.#drawTabs();
        break;
      case "control": {
        const mine = message.holder === this.#viewer;
        if (mine && !this.#control.mine) this.#notice("info", "You are in control now.");
        this.#control = { ...this.#control, ...message, mine };
        this.#refresh();
        break;
      }
      case "step":
        this.dispatchEvent(new CustomEvent("step", { detail: message }));
        break;
      case "notice":
        this.#notice(message.level, message.text);
        break;
      case "unrecorded":
        this.#notice("warning", `Not recorded: ${message.gesture}. A replay will not repeat it.`);
        break;
      case "error":
        if (message.ref === null || message.ref === undefined) this.#notice("error", message.message);
        break;
      case "ended":
        this.dispatchEvent(new CustomEvent("ended", { detail: message }));
        break;
    }
  }

  #linked({ state, code, inMs }) {
    const { banner } = this.#bars;
    banner.hidden = state === "open" || (state === "connecting" && banner.hidden);
    if (state === "lost") {
      banner.textContent = `The connection to the live browser was lost. Trying again in ${Math.ceil(inMs / 1000)} s; the recording goes on.`;
    } else if (state === "connecting") {
      banner.textContent = "Connecting to the live browser again…";
    } else if (state === "closed") {
      banner.textContent = CLOSED[code] ?? "";
      banner.hidden = !banner.textContent || code === 4409;
      if (code === 4409) this.dispatchEvent(new CustomEvent("ended", { detail: {} }));
    }
    this.dataset.link = state;
    this.#refresh();
  }

  #setPhase(phase) {
    this.#phase = phase;
    this.dataset.phase = phase;
    this.dispatchEvent(new CustomEvent("phase", { detail: phase }));
    this.#refresh();
  }

  #refresh() {
    if (!this.#bars.stop) return;
    const live = this.#phase === "recording" || this.#phase === "paused";
    const linked = this.#socket?.open ?? false;
    const may = live && linked && this.#control.mine;
    this.#screen.enabled = may;
    this.#overlays.enabled = may;
    if (!may && this.#screen.mode !== "use") this.#setMode("use");
    for (const tool of this.querySelectorAll(".td-live-nav button, .td-live-nav input, .td-live-tabs button")) tool.disabled = !may;
    this.#bars.assert.disabled = this.#bars.drag.disabled = !(may && this.#phase === "recording");
    this.#bars.pause.disabled = !may;
    this.#bars.stop.disabled = !live;
    const paused = this.#phase === "paused";
    this.#bars.pause.replaceChildren(icon(paused ? "play_arrow" : "pause"), make("span", { textContent: paused ? "Resume" : "Pause" }));
    this.#bars.pause.title = paused ? "Resume: record again" : "Pause: what you do leaves no steps";
    this.#bars.pause.setAttribute("aria-label", this.#bars.pause.title);
    this.#drawControl(live && linked);
    this.#drawHint();
  }

  #drawControl(live) {
    const { control } = this.#bars;
    const { holder, viewers, mine, allowed } = this.#control;
    control.replaceChildren();
    control.hidden = !live;
    if (!live) return;
    const others = viewers.filter(({ viewer }) => viewer !== this.#viewer);
    const label = make("span", { className: "td-live-who" });
    control.append(label);
    if (mine) {
      label.textContent = others.length ? `You control · ${others.length} watching` : "You control";
      if (!others.length) return;
      const choice = make("select", {}, make("option", { value: "", textContent: "Hand over…" }));
      choice.setAttribute("aria-label", "Hand control over to");
      others.forEach(({ viewer, user }) => choice.append(make("option", { value: viewer, textContent: user })));
      choice.append(make("option", { value: "*", textContent: "release to anyone" }));
      choice.addEventListener("change", () => {
        const viewer = choice.value;
        if (viewer) this.#ask(viewer === "*" ? { type: "releaseControl" } : { type: "grantControl", viewer });
      });
      control.append(choice);
      return;
    }
    const who = viewers.find(({ viewer }) => viewer === holder)?.user;
    label.textContent = who ? `Watching · ${who} controls` : "Watching";
    if (allowed === false) return;
    const take = make("button", { type: "button", className: "td-live-tool", textContent: "Take control" });
    take.addEventListener("click", () => this.#ask({ type: "takeControl" }));
    control.append(take);
  }

  #drawTabs() {
    const { tabs, address } = this.#bars;
    tabs.replaceChildren();
    for (const { alias, url, title, active, loading } of this.#pages) {
      const name = title || url || alias;
      const select = make("button", { type: "button", title: `${name}\n${url}` });
      select.setAttribute("role", "tab");
      select.setAttribute("aria-selected", String(active));
      if (loading) select.append(make("span", { className: "td-live-loading", ariaHidden: "true" }));
      select.append(make("span", { className: "td-live-title", textContent: name }));
      select.addEventListener("click", () => this.#ask({ type: "selectPage", page: alias }));
      const close = make("button", { type: "button", className: "td-live-close", title: "Close tab" }, icon("close"));
      close.setAttribute("aria-label", `Close tab ${name}`);
      close.addEventListener("click", () => this.#ask({ type: "closePage", page: alias }));
      tabs.append(make("span", { className: active ? "td-live-tab td-active" : "td-live-tab" }, select, close));
      if (active && document.activeElement !== address) address.value = url === "about:blank" ? "" : url;
    }
    const add = make("button", { type: "button", className: "td-live-tool", title: "New tab" }, icon("add"));
    add.setAttribute("aria-label", "New tab");
    add.addEventListener("click", () => this.#ask({ type: "newPage" }));
    tabs.append(add);
    this.#refresh();
  }

  #toggle(mode) {
    this.#setMode(this.#screen.mode === mode ? "use" : mode);
    this.#screen.focusKeys();
  }

  #setMode(mode) {
    this.#screen.mode = mode;
    this.#wanted = null;
    this.querySelector(".td-live-assert")?.remove();
    for (const name of ["assert", "drag"]) this.#bars[name].setAttribute("aria-pressed", String(mode === name));
    this.#drawHint();
  }

  #drawHint() {
    const { hint } = this.#bars;
    const text = {
      assert: "Point at an element and click it to say what must hold. Esc leaves.",
      drag: "Press where the drag starts, release where it ends. Esc leaves.",
    }[this.#screen.mode];
    const paused = this.#phase === "paused";
    const idle = !this.#control.mine
      ? "You are watching. Pointing and typing here does nothing."
      : "Right-click for hover, assertions and the locator. F6 gives the keyboard back to the console.";
    hint.textContent = text ?? (paused ? "Paused: what you do here leaves no steps." : idle);
    hint.classList.toggle("td-active", Boolean(text) || paused);
  }

  #pointed({ kind, ...at }) {
    if (kind === "drag") {
      this.#setMode("use");
      this.#ask({ type: "drag", ...at });
    } else if (kind === "pick") {
      this.#wanted = null;
      this.#assert(at);
    } else if (!this.querySelector(".td-live-assert")) {
      this.#wanted = at;
      if (!this.#inspecting) void this.#inspectWanted();
    }
  }

  async #inspectWanted() {
    this.#inspecting = true;
    while (this.#wanted) {
      const at = this.#wanted;
      this.#wanted = null;
      const found = await this.#inspect(at);
      if (found && this.#screen.mode === "assert") this.#screen.outline(found.rect, found.python);
      await new Promise((resolve) => setTimeout(resolve, INSPECT_EVERY_MS));
    }
    this.#inspecting = false;
  }

  async #inspect(at) {
    try {
      return await this.#socket.ask({ type: "inspect", x: at.x, y: at.y });
    } catch {
      return null; // nothing there, or the page is moving on: the next point asks again
    }
  }

  async #assert(at, kind = "visible") {
    const inspected = await this.#inspect(at);
    if (!inspected) {
      this.#notice("warning", "There is no element at this point to assert on.");
      return;
    }
    this.#screen.outline(inspected.rect, inspected.python);
    const url = this.#pages.find(({ active }) => active)?.url ?? "";
    const answer = await askAssertion(this.#screen, { inspected, kind, url });
    this.#screen.outline(null);
    // At once, not after the answer: what is typed next is meant for the page.
    this.#screen.focusKeys();
    if (answer && (await this.#ask({ type: "assert", x: at.x, y: at.y, ...answer }))) this.#setMode("use");
  }

  #menu({ clientX, clientY, ...at }) {
    const may = this.#screen.hasAttribute("data-watching") ? [] : [
      ["Hover here", () => this.#ask({ type: "hover", ...at })],
      ["Right click in the page", () => this.#ask({ type: "mouse", kind: "click", button: "right", modifiers: [], clickCount: 1, ...at })],
      null,
      ["Assert visible", () => this.#assert(at, "visible")],
      ["Assert text", () => this.#assert(at, "text")],
      ["Assert value", () => this.#assert(at, "value")],
      ["Assert checked", () => this.#assert(at, "checked")],
      ["Assert address", () => this.#assert(at, "url")],
      null,
    ];
    openMenu(this.#screen, { clientX, clientY }, [
      ...(this.#phase === "recording" ? may : may.slice(0, 3)),
      ["Copy locator", () => this.#copyLocator(at)],
    ]);
  }

  async #copyLocator(at) {
    const found = await this.#inspect(at);
    if (!found) return this.#notice("warning", "There is no element at this point.");
    try {
      await navigator.clipboard.writeText(found.python);
      this.#notice("info", `Copied ${found.python}`);
    } catch {
      this.#notice("info", found.python); // no clipboard without https: show it instead
    }
  }

  #notice(level, text) {
    this.#bars.notices.querySelector(`[data-text="${CSS.escape(text)}"]`)?.remove();
    const shown = make("div", { className: `td-live-notice td-${level}`, dataset: { text } }, make("span", { textContent: text }));
    const close = make("button", { type: "button", title: "Dismiss" }, icon("close"));
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => shown.remove());
    shown.append(close);
    this.#bars.notices.append(shown);
    while (this.#bars.notices.childElementCount > 3) this.#bars.notices.firstChild.remove();
    setTimeout(() => shown.remove(), NOTICE_MS);
  }
}

customElements.define("live-browser", LiveBrowser);
