// <job-filters> around the list's form of filters: a choice applies at once, text on Enter; what is
// empty stays out of the address.

class JobFilters extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    const period = form.elements.period;
    const times = this.querySelector("[data-times]");
    form.addEventListener("change", ({ target }) => {
      if (target === period && period.value === "custom") {
        times.hidden = false;
        times.querySelector("input").focus();
        return;
      }
      if (target === period) for (const input of times.querySelectorAll("input")) input.value = "";
      if (target.matches("select, input[type=datetime-local]")) form.requestSubmit();
    });
    form.addEventListener("formdata", ({ formData }) => {
      for (const [name, value] of [...formData.entries()]) if (!value || value === "custom") formData.delete(name);
    });
  }
}

customElements.define("job-filters", JobFilters);
