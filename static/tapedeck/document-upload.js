// <document-upload [target="document id"]>: drop or choose files; each has its progress, answer and
// way on. Small ones go in one request, large ones in pieces that go on after a break; and when the page
// was closed, as soon as the same file is chosen again.

import { icon, make } from "./dom.js";
import { bytes } from "./words.js";

const PIECE = 8 * 1024 * 1024;
const AT_ONCE = 3;
const TRIES = 6;

const csrf = () => document.querySelector("[name=csrfmiddlewaretoken]").value;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** One request with progress; {status, answer, offset}. Rejects when the connection breaks. */
function send(method, url, body, { headers = {}, onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("X-CSRFToken", csrf());
    request.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("error", () => reject(new Error("The connection broke.")));
    request.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    request.addEventListener("load", () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* no body */ }
      resolve({ status: request.status, answer, offset: Number(request.getResponseHeader("Upload-Offset")) });
    });
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

function refusal({ status, answer }) {
  const fields = Object.values(answer?.errors ?? {}).flat().join(" ");
  return new Error(fields || answer?.detail || `The server answered ${status}.`);
}

class DocumentUpload extends HTMLElement {
  #list = make("div", { className: "doc-uploads", role: "status" });
  #waiting = [];
  #running = 0;
  #kept = 0;

  connectedCallback() {
    if (this.querySelector(".doc-drop")) return;
    const target = this.getAttribute("target");
    const input = make("input", { type: "file", multiple: !target, id: `files-${target ?? "new"}` });
    const button = make("label", { className: "td-button", htmlFor: input.id }, icon("upload_file"), target ? "Choose a file" : "Choose files");
    const drop = make("div", { className: "doc-drop" }, make("span", { textContent: target ? "Drop the new version here, or" : "Drop files here to upload them, or" }), input, button);
    this.append(drop, this.#list);
    input.addEventListener("change", () => {
      this.#take([...input.files]);
      input.value = "";
    });
    for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("doc-over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("doc-over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("doc-over");
      this.#take([...event.dataTransfer.files].slice(0, target ? 1 : undefined));
    });
    addEventListener("beforeunload", (event) => {
      if (this.#running) event.preventDefault();
    });
  }

  #take(files) {
    for (const file of files) this.#waiting.push(this.#row(file));
    this.#next();
  }

  #row(file) {
    const progress = make("progress", { max: Math.max(file.size, 1), value: 0, className: "td-progress" });
    const how = make("span", { className: "doc-upload-how", textContent: `waiting, ${bytes(file.size)}` });
    const stop = make("button", { type: "button", className: "td-icon-link", title: `Stop uploading ${file.name}` }, icon("close"));
    const said = make("div", { className: "doc-upload-said" });
    const row = make("div", { className: "doc-upload" }, make("span", { className: "doc-upload-name", textContent: file.name }), make("span", { className: "doc-upload-tools" }, how, stop), progress, said);
    const control = new AbortController();
    stop.addEventListener("click", () => {
      control.abort();
      row.remove();
    });
    this.#list.prepend(row);
    return { file, row, progress, how, said, stop, signal: control.signal };
  }

  #next() {
    while (this.#running < AT_ONCE && this.#waiting.length) {
      const upload = this.#waiting.shift();
      if (upload.signal.aborted) continue;
      this.#running += 1;
      this.#send(upload).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #send(upload) {
    const { file, row, how, progress, said } = upload;
    const show = (loaded) => {
      progress.value = loaded;
      how.textContent = loaded < file.size ? `${bytes(loaded)} of ${bytes(file.size)}` : "storing…";
    };
    try {
      if (!file.size) throw new Error("The file has no bytes. Check that it was saved, and upload it again.");
      const answer = file.size > PIECE ? await this.#inPieces(upload, show) : await this.#whole(upload, show);
      row.dataset.state = "done";
      progress.remove();
      upload.stop.remove();
      how.textContent = answer.created === false ? "was here already" : "uploaded";
      this.#tell(said, answer);
      this.#kept += 1;
      if (this.hasAttribute("target")) location.reload();
      else this.#offerList();
    } catch (error) {
      if (error.name === "AbortError") return;
      row.dataset.state = "failed";
      progress.remove();
      how.textContent = "not uploaded";
      said.textContent = error.message;
    }
  }

  #tell(said, answer) {
    const id = answer.document?.id ?? answer.id;
    const parts = [make("a", { className: "td-link", href: `/admin/documents/document/${id}/change/`, textContent: "Open" })];
    const warnings = answer.uploadWarnings ?? answer.warnings ?? [];
    for (const warning of warnings) if (typeof warning === "string") parts.push(` ${warning}`);
    const [twin] = answer.duplicates ?? [];
    if (twin && answer.created !== false) {
      parts.push(" The same content is here already: ", make("a", { className: "td-link", href: `/admin/documents/document/${twin.id}/change/`, textContent: twin.name }), ". ");
      const undo = make("button", { type: "button", className: "td-link", textContent: "Keep only that one" });
      undo.addEventListener("click", async () => {
        undo.disabled = true;
        const { status } = await send("DELETE", `/api/documents/${id}`, JSON.stringify({ reason: `The same as ${twin.name}`.slice(0, 200) }), { headers: { "Content-Type": "application/json" }, signal: new AbortController().signal });
        said.textContent = status === 204 ? "Deleted again; the other one stays." : "It could not be deleted.";
      });
      parts.push(undo);
    }
    said.replaceChildren(...parts);
  }

  async #whole({ file, signal }, show) {
    const form = new FormData();
    form.append("file", file);
    const target = this.getAttribute("target");
    const url = target ? `/api/documents/${target}/versions` : "/api/documents/";
    const done = await send("POST", url, form, { onProgress: (loaded) => show(Math.min(loaded, file.size)), signal });
    if (done.status >= 300) throw refusal(done);
    return done.answer;
  }

  async #inPieces({ file, how, signal }, show) {
    const json = { "Content-Type": "application/json" };
    const target = this.getAttribute("target");
    const wish = { filename: file.name, fileSize: file.size, ...(target ? { document: target } : {}) };
    // What tells this very file: a changed one has another time.
    const key = `upload ${target ?? ""} ${file.name} ${file.size} ${file.lastModified}`;
    let { url, offset } = await this.#begun(localStorage.getItem(key), file);
    if (!url) {
      const begun = await send("POST", "/api/uploads", JSON.stringify(wish), { headers: json, signal });
      if (begun.status >= 300) throw refusal(begun);
      url = begun.answer.url;
      localStorage.setItem(key, url);
    }
    signal.addEventListener("abort", () => {
      localStorage.removeItem(key);
      fetch(url, { method: "DELETE", headers: { "X-CSRFToken": csrf() } });
    });
    let tries = 0;
    for (;;) {
      try {
        const done = await send("PATCH", url, file.slice(offset, offset + PIECE), {
          headers: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
          onProgress: (loaded) => show(offset + loaded),
          signal,
        });
        if (done.status === 200) {
          localStorage.removeItem(key);
          return done.answer;
        }
        if (done.status === 409 && done.answer?.code === "wrong_offset") offset = done.offset;
        else if (done.status === 204) offset = done.offset;
        else if (done.status < 500) {
          localStorage.removeItem(key);
          throw Object.assign(refusal(done), { final: true });
        }
        else throw refusal(done);
        tries = 0;
      } catch (error) {
        if (error.final || error.name === "AbortError" || (tries += 1) >= TRIES) throw error;
        how.textContent = `interrupted, going on in ${2 ** tries} s`;
        await wait(1000 * 2 ** tries);
        const there = await fetch(url, { method: "HEAD" }).catch(() => null);
        if (there?.ok) offset = Number(there.headers.get("Upload-Offset"));
      }
    }
  }

  /** Where an upload that was begun before stands, if it is still there and of this size. */
  async #begun(url, file) {
    const there = url && (await fetch(url, { method: "HEAD" }).catch(() => null));
    const goesOn = there?.ok && Number(there.headers.get("Upload-Length")) === file.size;
    return goesOn ? { url, offset: Number(there.headers.get("Upload-Offset")) } : { url: "", offset: 0 };
  }

  #offerList() {
    const found = this.querySelector(".doc-refresh");
    const text = `Show ${this.#kept === 1 ? "the new document" : `the ${this.#kept} new documents`} in the list`;
    if (found) found.textContent = text;
    else this.append(make("a", { className: "td-new-rows doc-refresh", href: location.pathname, textContent: text }));
  }
}

customElements.define("document-upload", DocumentUpload);
