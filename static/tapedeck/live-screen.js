// <live-screen>: the picture of the recorded page, and every gesture on it.
//
// Emits "gesture" events whose detail is a protocol message (coordinates in CSS pixels of the
// page), "point" while `mode` is "assert" or "drag", "menu" on a right click, and "size" when the
// page has another width.

const DOUBLE_CLICK_MS = 500;
const SLOP_PX = 4;
const TOUCH_SLOP_PX = 10;
const LONG_PRESS_MS = 550;
const WHEEL_LINE_PX = 40;
const BUTTONS = ["left", "middle", "right"];
// What a person expects of their own browser wherever the focus is.
const KEPT = new Set(["F5", "F11", "F12"]);

export class LiveScreen extends HTMLElement {
  #canvas = document.createElement("canvas");
  #keys = document.createElement("textarea");
  #outline = document.createElement("div");
  #caption = document.createElement("div");
  #arrow = document.createElement("div");
  #frame = null; // header of the frame that is on the canvas
  #bitmap = null;
  #decoding = false;
  #next = null; // the newest frame that is not decoded yet
  #move = null;
  #moveRequested = false;
  #wheel = null;
  #clicks = { count: 0, at: 0, x: 0, y: 0 };
  #held = null;
  #touch = null;
  #mode = "use";
  #enabled = false;
  #observer = new ResizeObserver(() => this.#paint());

  connectedCallback() {
    if (this.firstChild) return;
    this.#keys.className = "td-live-keys";
    this.#keys.setAttribute("aria-label", "Live browser: what you type and click goes to the page");
    this.#keys.setAttribute("autocapitalize", "off");
    this.#keys.setAttribute("autocomplete", "off");
    this.#keys.setAttribute("spellcheck", "false");
    this.#canvas.className = "td-live-canvas";
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", "Picture of the recorded page");
    this.#outline.className = "td-live-outline";
    this.#caption.className = "td-live-caption";
    this.#arrow.className = "td-live-arrow";
    this.#outline.hidden = this.#caption.hidden = this.#arrow.hidden = true;
    this.append(this.#canvas, this.#keys, this.#outline, this.#caption, this.#arrow);
    this.#observer.observe(this);
    this.#listen();
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  /** Whether gestures are sent at all (a viewer without control only watches). */
  set enabled(enabled) {
    this.#enabled = enabled;
    this.toggleAttribute("data-watching", !enabled);
    if (!enabled) this.outline(null);
  }

  /** "use" | "assert" | "drag" */
  set mode(mode) {
    this.#mode = mode;
    this.dataset.mode = mode;
    this.outline(null);
    this.#arrow.hidden = true;
    this.#held = null;
  }

  get mode() {
    return this.#mode;
  }

  get frame() {
    return this.#frame;
  }

  focusKeys() {
    this.#keys.focus({ preventScroll: true });
  }

  /** Show a frame; `drawn(id)` is called when it is on the canvas. Newer ones overtake older ones. */
  show({ header, blob }, drawn) {
    if (this.#next) this.#next.drawn(this.#next.header.id); // overtaken: seen as far as flow goes
    this.#next = { header, blob, drawn };
    if (!this.#decoding) void this.#decode();
  }

  async #decode() {
    this.#decoding = true;
    while (this.#next) {
      const { header, blob, drawn } = this.#next;
      this.#next = null;
      try {
        const bitmap = await createImageBitmap(blob);
        this.#bitmap?.close();
        this.#bitmap = bitmap;
        const resized = this.#frame?.width !== header.width;
        this.#frame = header;
        this.#paint();
        if (resized) this.#tell("size");
      } finally {
        drawn(header.id);
      }
    }
    this.#decoding = false;
  }

  #paint() {
    if (!this.#frame || !this.#bitmap) return;
    const { width, height } = this.#frame;
    this.style.setProperty("--live-ratio", `${width} / ${height}`);
    this.style.setProperty("--live-width", `${width}px`);
    const shown = this.#canvas.getBoundingClientRect();
    if (!shown.width) return;
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const w = Math.round(shown.width * scale);
    const h = Math.round((shown.width * scale * height) / width);
    if (this.#canvas.width !== w || this.#canvas.height !== h) {
      this.#canvas.width = w;
      this.#canvas.height = h;
    }
    const context = this.#canvas.getContext("2d", { alpha: false });
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#bitmap, 0, 0, w, h);
  }

  /** Page pixels → pixels of this element. */
  toScreen(rect) {
    const shown = this.#canvas.getBoundingClientRect();
    const own = this.getBoundingClientRect();
    const scale = shown.width / (this.#frame?.width || shown.width);
    return {
      x: rect.x * scale + shown.x - own.x,
      y: rect.y * scale + shown.y - own.y,
      width: rect.width * scale,
      height: rect.height * scale,
    };
  }

  /** Draw around an element of the page; null takes the outline away. */
  outline(rect, caption = "") {
    this.#outline.hidden = !rect;
    this.#caption.hidden = !rect || !caption;
    if (!rect) return;
    const at = this.toScreen(rect);
    Object.assign(this.#outline.style, {
      left: `${at.x}px`,
      top: `${at.y}px`,
      width: `${at.width}px`,
      height: `${at.height}px`,
    });
    this.#caption.textContent = caption;
    const below = at.y + at.height + 4;
    Object.assign(this.#caption.style, {
      left: `${Math.max(0, Math.min(at.x, this.clientWidth - this.#caption.offsetWidth))}px`,
      top: `${below + 24 > this.clientHeight ? Math.max(0, at.y - 26) : below}px`,
    });
  }

  #point(event) {
    const shown = this.#canvas.getBoundingClientRect();
    const { width = 0, height = 0 } = this.#frame ?? {};
    const clamp = (value, most) => Math.max(0, Math.min(most - 1, Math.round(value * 10) / 10));
    return {
      x: clamp(((event.clientX - shown.x) / shown.width) * width, width),
      y: clamp(((event.clientY - shown.y) / shown.height) * height, height),
    };
  }

  #send(message) {
    if (this.#enabled && this.#frame) this.#tell("gesture", message);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#moved(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.#dropTouch());
    canvas.addEventListener("pointerleave", () => {
      if (this.#mode === "assert") this.#tell("leave");
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    this.#keys.addEventListener("keydown", (event) => this.#key("down", event));
    this.#keys.addEventListener("keyup", (event) => this.#key("up", event));
    this.#keys.addEventListener("paste", (event) => {
      event.preventDefault();
      const text = event.clipboardData?.getData("text/plain");
      if (text) this.#send({ type: "text", text });
    });
    // Input methods and phone keyboards: there are no usable key events, the text itself arrives.
    this.#keys.addEventListener("compositionend", (event) => {
      if (event.data) this.#send({ type: "text", text: event.data });
      this.#keys.value = "";
    });
    this.#keys.addEventListener("beforeinput", (event) => {
      if (event.inputType !== "deleteContentBackward" || event.isComposing) return;
      event.preventDefault();
      this.#send({ type: "key", kind: "press", key: "Backspace", code: "Backspace", modifiers: [] });
    });
    this.#keys.addEventListener("input", (event) => {
      if (event.isComposing || event.inputType === "insertCompositionText") return;
      if (this.#keys.value) this.#send({ type: "text", text: this.#keys.value });
      this.#keys.value = "";
    });
    this.#keys.addEventListener("focus", () => this.toggleAttribute("data-focused", true));
    this.#keys.addEventListener("blur", () => this.toggleAttribute("data-focused", false));
  }

  #down(event) {
    this.focusKeys();
    event.preventDefault(); // else the browser moves the focus to the canvas' parent
    if (!this.#frame) return;
    if (event.pointerType === "touch") return this.#touched(event);
    const at = this.#point(event);
    if (event.button === 2 && this.#mode === "use") {
      this.#tell("menu", { ...at, clientX: event.clientX, clientY: event.clientY });
      return;
    }
    this.#canvas.setPointerCapture(event.pointerId);
    if (this.#mode === "assert") return this.#tell("point", { kind: "pick", ...at });
    if (this.#mode === "drag") {
      this.#held = at;
      return;
    }
    const now = event.timeStamp;
    const same =
      now - this.#clicks.at < DOUBLE_CLICK_MS &&
      Math.hypot(at.x - this.#clicks.x, at.y - this.#clicks.y) < SLOP_PX;
    this.#clicks = { count: same ? this.#clicks.count + 1 : 1, at: now, ...at };
    this.#flushMove();
    this.#mouse("down", at, event);
  }

  #moved(event) {
    if (!this.#frame) return;
    if (event.pointerType === "touch") return this.#touchMoved(event);
    const at = this.#point(event);
    if (this.#mode === "assert") return this.#tell("point", { kind: "over", ...at });
    if (this.#mode === "drag") {
      if (this.#held) this.#drawArrow(this.#held, at);
      return;
    }
    this.#move = { at, event };
    if (!this.#moveRequested) {
      this.#moveRequested = true;
      requestAnimationFrame(() => this.#flushMove());
    }
  }

  #flushMove() {
    this.#moveRequested = false;
    if (!this.#move) return;
    const { at, event } = this.#move;
    this.#move = null;
    this.#mouse("move", at, event);
  }

  #up(event) {
    if (!this.#frame) return;
    if (event.pointerType === "touch") return this.#touchEnded(event);
    const at = this.#point(event);
    if (this.#mode === "assert") return;
    if (this.#mode === "drag") {
      const from = this.#held;
      this.#held = null;
      this.#arrow.hidden = true;
      if (from && Math.hypot(at.x - from.x, at.y - from.y) >= SLOP_PX) {
        this.#tell("point", { kind: "drag", from, to: at });
      }
      return;
    }
    if (event.button === 2) return;
    this.#flushMove();
    this.#mouse("up", at, event);
  }

  #mouse(kind, at, event) {
    this.#send({
      type: "mouse",
      kind,
      ...at,
      button: BUTTONS[event.button] ?? "left",
      clickCount: kind === "move" ? 0 : this.#clicks.count,
      modifiers: modifiers(event),
    });
  }

  #drawArrow(from, to) {
    const a = this.toScreen({ ...from, width: 0, height: 0 });
    const b = this.toScreen({ ...to, width: 0, height: 0 });
    this.#arrow.hidden = false;
    Object.assign(this.#arrow.style, {
      left: `${a.x}px`,
      top: `${a.y}px`,
      width: `${Math.hypot(b.x - a.x, b.y - a.y)}px`,
      transform: `rotate(${Math.atan2(b.y - a.y, b.x - a.x)}rad)`,
    });
  }

  #wheeled(event) {
    if (!this.#enabled || !this.#frame || event.ctrlKey) return; // Ctrl+wheel zooms the console
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL_LINE_PX;
    const waiting = this.#wheel;
    this.#wheel = {
      ...this.#point(event),
      dx: (waiting?.dx ?? 0) + event.deltaX * unit,
      dy: (waiting?.dy ?? 0) + event.deltaY * unit,
    };
    if (waiting) return;
    requestAnimationFrame(() => {
      this.#send({ type: "wheel", ...this.#wheel });
      this.#wheel = null;
    });
  }

  // One finger: a tap clicks, a long press opens the menu, a stroke scrolls.
  #touched(event) {
    if (this.#touch) return this.#dropTouch(); // two fingers are <live-zoom>'s
    const at = this.#point(event);
    this.#canvas.setPointerCapture(event.pointerId);
    this.#touch = { at, x: event.clientX, y: event.clientY, scrolling: false };
    if (this.#mode === "drag") {
      this.#held = at;
      return;
    }
    this.#touch.timer = setTimeout(() => {
      if (this.#mode === "use") {
        this.#tell("menu", { ...at, clientX: event.clientX, clientY: event.clientY });
      }
      this.#dropTouch();
    }, LONG_PRESS_MS);
  }

  #touchMoved(event) {
    const touch = this.#touch;
    if (!touch) return;
    if (this.#mode === "drag" && this.#held) return this.#drawArrow(this.#held, this.#point(event));
    const dx = touch.x - event.clientX;
    const dy = touch.y - event.clientY;
    if (!touch.scrolling && Math.hypot(dx, dy) < TOUCH_SLOP_PX) return;
    clearTimeout(touch.timer);
    touch.scrolling = true;
    touch.x = event.clientX;
    touch.y = event.clientY;
    const scale = this.#frame.width / this.#canvas.getBoundingClientRect().width;
    this.#send({ type: "wheel", ...touch.at, dx: dx * scale, dy: dy * scale });
  }

  #touchEnded(event) {
    const touch = this.#touch;
    const from = this.#held;
    this.#dropTouch();
    if (!touch) return;
    if (from) {
      this.#arrow.hidden = true;
      this.#tell("point", { kind: "drag", from, to: this.#point(event) });
      return;
    }
    if (touch.scrolling) return;
    if (this.#mode === "assert") return this.#tell("point", { kind: "pick", ...touch.at });
    this.#clicks.count = 1;
    for (const kind of ["move", "down", "up"]) this.#mouse(kind, touch.at, event);
  }

  #dropTouch() {
    clearTimeout(this.#touch?.timer);
    this.#touch = null;
    this.#held = null;
  }

  #key(kind, event) {
    if (event.isComposing || event.key === "Process" || event.key === "Unidentified") return;
    if (KEPT.has(event.key) || event.key === "Dead") return;
    if (event.key === "Escape" && this.#mode !== "use") {
      event.preventDefault();
      if (kind === "down") this.#tell("escape");
      return;
    }
    const paste = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v";
    if (paste) return; // the paste event brings the text of this machine's clipboard
    if (event.ctrlKey && event.altKey && event.key === "Escape") return;
    event.preventDefault();
    if (kind === "down" && event.key === "F6") return this.#keys.blur();
    this.#send({ type: "key", kind, key: event.key, code: event.code, modifiers: modifiers(event) });
  }
}

export function modifiers(event) {
  const held = [];
  if (event.altKey) held.push("Alt");
  if (event.ctrlKey) held.push("Control");
  if (event.metaKey) held.push("Meta");
  if (event.shiftKey) held.push("Shift");
  return held;
}

customElements.define("live-screen", LiveScreen);
