// Making elements. Text is always set as text: nothing that a job says can become markup.

export function make(tag, properties = {}, ...children) {
  const { dataset, attributes, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function icon(name) {
  return make("span", { className: "material-symbols-outlined", textContent: name, ariaHidden: "true" });
}

export function embedded(id) {
  return JSON.parse(document.getElementById(id).textContent);
}
