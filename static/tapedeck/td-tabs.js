// <td-tabs> over <section data-tab="name" data-title="Title" data-address="L\\d+">: tabs whose choice is
// in the address; a section may have addresses of its own inside.

import { make } from "./dom.js";

class TdTabs extends HTMLElement {
  #tabs = new Map();

  connectedCallback() {
    if (this.#tabs.size) return;
    const list = make("div", { className: "td-tabs", role: "tablist" });
    for (const section of this.querySelectorAll(":scope > section[data-tab]")) {
      const name = section.dataset.tab;
      const badge = make("span", { className: "td-tab-count", hidden: true });
      const tab = make("button", { type: "button", role: "tab", id: `tab-${name}` }, section.dataset.title, badge);
      section.id = `panel-${name}`;
      section.setAttribute("role", "tabpanel");
      section.setAttribute("aria-labelledby", tab.id);
      tab.setAttribute("aria-controls", section.id);
      tab.addEventListener("click", () => {
        history.replaceState(null, "", `#${name}`);
        this.#choose(name);
      });
      list.append(tab);
      this.#tabs.set(name, { tab, section, badge });
    }
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const tabs = [...list.children];
      const to = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
      to.focus();
      to.click();
    });
    this.prepend(list);
    this.#choose(this.#addressed() ?? this.#tabs.keys().next().value);
    addEventListener("hashchange", this.#moved);
  }

  disconnectedCallback() {
    removeEventListener("hashchange", this.#moved);
  }

  #moved = () => {
    const name = this.#addressed();
    if (name) this.#choose(name);
  };

  #addressed() {
    const wanted = location.hash.slice(1);
    for (const [name, { section }] of this.#tabs) {
      const inside = section.dataset.address;
      if (name === wanted || (inside && new RegExp(`^${inside}$`).test(wanted))) return name;
    }
    return null;
  }

  /** How many there are behind a tab. */
  count(name, number) {
    const { badge } = this.#tabs.get(name);
    badge.textContent = number.toLocaleString("en");
    badge.hidden = number === 0;
  }

  #choose(chosen) {
    for (const [name, { tab, section }] of this.#tabs) {
      tab.setAttribute("aria-selected", String(name === chosen));
      tab.tabIndex = name === chosen ? 0 : -1;
      section.hidden = name !== chosen;
      if (name === chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    this.dispatchEvent(new CustomEvent("tab", { detail: chosen }));
  }
}

customElements.define("td-tabs", TdTabs);
