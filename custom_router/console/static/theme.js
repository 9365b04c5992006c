// Before the page is drawn, so that it does not flash: the theme that was chosen in this browser, else the system's.
// The choice is no secret, so it outlives the tab; the key does not.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("tier-router-theme");
  } catch {
    // storage may be forbidden: then the system's theme it is
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
