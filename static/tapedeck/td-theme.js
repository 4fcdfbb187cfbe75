// The theme asks the system for light or dark once, when a page is loaded: here it asks again when the
// system changes.
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const theme = window.Alpine.$data(document.documentElement);
  if (theme.adminTheme === "auto") {
    // Only a change makes it look again.
    theme.adminTheme = "light";
    theme.adminTheme = "auto";
  }
});
