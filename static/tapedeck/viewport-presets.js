// <viewport-presets width="id" height="id">: common sizes in one click, for two number fields.

const SIZES = [
  [1280, 720, "default"],
  [1440, 900, "laptop"],
  [1920, 1080, "desktop"],
  [768, 1024, "tablet"],
  [390, 844, "phone"],
];

class ViewportPresets extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    for (const [width, height, name] of SIZES) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "td-preset";
      button.textContent = `${width} × ${height} ${name}`;
      button.addEventListener("click", () => {
        document.getElementById(this.getAttribute("width")).value = width;
        document.getElementById(this.getAttribute("height")).value = height;
      });
      this.append(button);
    }
  }
}

customElements.define("viewport-presets", ViewportPresets);
