// A recording's page opens with the sidebar closed: the live browser needs the room. What the
// operator chose for the other pages stays chosen; runs before the theme reads it.
(() => {
  const KEY = "sidebarDesktopOpen";
  const chosen = localStorage.getItem(KEY);
  localStorage.setItem(KEY, "0");
  const restore = () => (chosen === null ? localStorage.removeItem(KEY) : localStorage.setItem(KEY, chosen));
  document.addEventListener("alpine:initialized", restore, { once: true });
})();
