// Runs before the trace viewer's own service worker, in the same file.
//
// A snapshot of a recorded page is foreign HTML. The viewer would show it with the console's own
// origin; here it gets an opaque one (CSP sandbox). A document without our origin is no client of
// this worker, so what it needs (styles, pictures, fonts, frames) is asked of the viewer's worker
// beforehand and put into the document as data: URLs; its policy forbids every other request.

"use strict";

{
  const RESOURCE_MAX_BYTES = 8 * 1024 * 1024;
  const FRAMES_DEEP = 4;
  const POLICY =
    "default-src 'none'; img-src data:; font-src data:; media-src data:; style-src data: 'unsafe-inline'; form-action 'none'";
  const add = self.addEventListener.bind(self);
  const found = self.clients.get.bind(self.clients);
  const standIns = new Map();
  let viewer = null; // the bundle's own fetch listener
  let nextId = 0;

  self.clients.get = (id) => (standIns.has(id) ? Promise.resolve(standIns.get(id)) : found(id));
  self.addEventListener = (type, listener, ...rest) => {
    if (type === "fetch") viewer = listener;
    else add(type, listener, ...rest);
  };
  add("fetch", (event) => event.respondWith(answer(event)));

  // The viewer's own answer, as if the request had come from the browser.
  async function ask({ request, clientId = "", resultingClientId = "" }) {
    let given = null;
    viewer({ request, clientId, resultingClientId, respondWith: (promise) => (given = promise) });
    return given === null ? fetch(request) : given;
  }

  async function answer(event) {
    const url = new URL(event.request.url);
    const scope = new URL(self.registration.scope).pathname;
    const response = await ask(event);
    const path = url.origin === location.origin && url.pathname.startsWith(scope) ? url.pathname.slice(scope.length) : "";
    // A document from inside the trace, whatever it is; the viewer's own pages are none of these.
    const isForeign = event.request.mode === "navigate" && /^(snapshot|file|closest-screenshot)\//.test(path);
    if (!isForeign) return response;
    if (!path.startsWith("snapshot/") || !(response.headers.get("Content-Type") ?? "").startsWith("text/html")) {
      const headers = new Headers(response.headers);
      headers.set("Content-Security-Policy", "sandbox; default-src 'none'");
      headers.set("X-Content-Type-Options", "nosniff");
      return new Response(response.body, { status: response.status, headers });
    }
    const nonce = /'nonce-([^']+)'/.exec(response.headers.get("Content-Security-Policy") ?? "")?.[1] ?? "";
    const html = await selfContained(await response.text(), url, 0);
    return new Response(html, {
      status: response.status,
      headers: {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": `sandbox allow-scripts; ${POLICY}; script-src 'nonce-${nonce}'`,
      },
    });
  }

  const unescape = (text) =>
    text.replace(/&(quot|#39|lt|gt|amp);/g, (_, name) => ({ quot: '"', "#39": "'", lt: "<", gt: ">", amp: "&" })[name]);
  const escape = (text) =>
    text.replace(/[&<>"]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char]);

  async function replaceAll(text, pattern, replacement) {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      parts.push(text.slice(end, match.index), replacement(match));
      end = match.index + match[0].length;
    }
    parts.push(text.slice(end));
    return (await Promise.all(parts)).join("");
  }

  /** A snapshot's HTML with all that it refers to inside. `snapshot` is the URL it is shown under. */
  async function selfContained(html, snapshot, depth) {
    const id = `snapshot-${nextId++}`;
    standIns.set(id, { id, url: snapshot.href, postMessage() {} });
    const known = new Map();
    const base = unescape(/<base\b[^>]*?\shref="([^"]*)"/i.exec(html)?.[1] ?? "");
    const page = { id, known, base: URL.canParse(base) ? base : "about:blank", snapshot, depth, nonce: nonceOf(html) };
    try {
      let whole = await replaceAll(html, /<(style)\b([^>]*)>([\s\S]*?)<\/style>/gi, async ([, tag, attributes, css]) => `<${tag}${attributes}>${(await inStyle(css, page.base, page, 0)).replace(/<\/style/gi, "<\\/style")}</${tag}>`);
      whole = await replaceAll(whole, /<([a-z][^\s>/]*)((?:\s+[^\s=>]+="[^"]*")+)/gi, async ([, tag, attributes]) => `<${tag}${await inAttributes(tag.toLowerCase(), attributes, page)}`);
      return whole;
    } finally {
      standIns.delete(id);
    }
  }

  const nonceOf = (html) => /<script\b[^>]*\snonce="([^"]*)"/i.exec(html)?.[1] ?? "";

  function inAttributes(tag, attributes, page) {
    const isStyleSheet = tag === "link" && /\srel="[^"]*stylesheet[^"]*"/i.test(attributes);
    return replaceAll(attributes, /(\s+)([^\s=>]+)="([^"]*)"/g, async ([whole, space, name, raw]) => {
      const lower = name.toLowerCase();
      const value = unescape(raw);
      const put = (text, as = name) => `${space}${as}="${escape(text)}"`;
      if (tag === "link" && lower === "href") {
        return isStyleSheet ? put(await styleSheet(value, page.base, page, 0)) : "";
      }
      if (["img", "input", "source", "video", "audio", "track", "embed"].includes(tag) && ["src", "poster"].includes(lower)) {
        return put(await asData(value, page.base, page));
      }
      if (["image", "use", "feimage"].includes(tag) && ["href", "xlink:href"].includes(lower) && !value.startsWith("#")) {
        return put(await asData(value, page.base, page));
      }
      if (lower === "srcset") return put(await inSourceSet(value, page));
      if (lower === "background") return put(await asData(value, page.base, page));
      if (lower === "style" || lower === "__playwright_style_sheet_") return put(await inStyle(value, page.base, page, 0));
      if (["iframe", "frame"].includes(tag) && lower === "__playwright_src__") {
        const frame = await inFrame(value, page);
        return frame === null ? "" : put(frame, "srcdoc");
      }
      return whole;
    });
  }

  async function inFrame(path, page) {
    if (page.depth >= FRAMES_DEEP) return null;
    const url = new URL(page.snapshot);
    url.searchParams.set("frameId", path.slice(path.lastIndexOf("/") + 1));
    const response = await ask({ request: new Request(url), resultingClientId: page.id });
    if (!response.ok) return null;
    const html = await response.text();
    const child = await selfContained(html, url, page.depth + 1);
    // A frame in the document itself has the document's policy, and so needs its nonce.
    const own = nonceOf(html);
    return own ? child.replaceAll(`nonce="${own}"`, `nonce="${page.nonce}"`) : child;
  }

  function inSourceSet(value, page) {
    return replaceAll(value, /(^|,\s+)([^\s,]\S*?)(?=\s|,\s|$)/g, async ([, before, url]) => before + (await asData(url, page.base, page)));
  }

  function inStyle(css, base, page, depth) {
    const pattern = /@import\s+(?:url\(\s*)?(?:"([^"]*)"|'([^']*)'|([^"')\s;]+))\s*\)?|url\(\s*(?:"([^"]*)"|'([^']*)'|([^"')\s]*))\s*\)/gi;
    return replaceAll(css, pattern, async (match) => {
      const imported = match[1] ?? match[2] ?? match[3];
      if (imported !== undefined) return `@import url("${await styleSheet(imported, base, page, depth + 1)}")`;
      const target = match[4] ?? match[5] ?? match[6] ?? "";
      if (!target || target.startsWith("#") || target.startsWith("data:")) return match[0];
      return `url("${await asData(target, base, page)}")`;
    });
  }

  async function styleSheet(target, base, page, depth) {
    if (target.startsWith("data:")) return target;
    const resource = depth > 8 ? null : await load(target, base, page);
    if (!resource) return "data:text/css,";
    const css = await inStyle(new TextDecoder().decode(resource.bytes), resource.url, page, depth);
    return `data:text/css;charset=utf-8;base64,${base64(new TextEncoder().encode(css))}`;
  }

  async function asData(target, base, page) {
    if (target.startsWith("data:") || !target) return target;
    const resource = await load(target, base, page);
    return resource ? `data:${resource.type};base64,${base64(resource.bytes)}` : "data:,";
  }

  function load(target, base, page) {
    let url;
    try {
      url = new URL(target, base).href.replace(/#.*$/, "");
    } catch {
      return null;
    }
    // Only from the trace: nothing of the console's own is ever put into a recorded page.
    if (!/^https?:/.test(url) || url.startsWith(`${location.origin}/`)) return null;
    if (!page.known.has(url)) page.known.set(url, read(url, page));
    return page.known.get(url);
  }

  async function read(url, page) {
    const response = await ask({ request: new Request(url), clientId: page.id });
    if (!response.ok) return null;
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > RESOURCE_MAX_BYTES) return null;
    const type = (response.headers.get("Content-Type") ?? "").split(",")[0].replace(/["\s]/g, "");
    return { url, bytes, type: type || "application/octet-stream" };
  }

  function base64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  }
}
