// Small line drawings, 24 by 24.

import { s } from "./dom.js";

const PATHS = {
  overview: "M4 20V10m5 10V4m6 16v-7m5 7V8",
  live: "M3 12h4l3-8 4 16 3-8h4",
  playground: "M5 4l14 8-14 8z",
  policy: "M7 3h7l5 5v13H7zM14 3v5h5M10 13h6M10 17h6",
  cache: "M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
  classifier: "M4 20L20 4M4 4v16h16M9 16v.01M12 11v.01M17 9v.01",
  experiments: "M9 3h6M10 3v6L4 20h16L14 9V3M7.5 15h9",
  theme: "M12 3v18M12 3a9 9 0 0 1 0 18 9 9 0 0 1 0-18z",
  leave: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  close: "M5 5l14 14M19 5L5 19",
  pause: "M8 5v14M16 5v14",
};

/** A drawing that says nothing to screen readers: a label stands beside it. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: PATHS[name] ?? "" }));
}

/** The mark of the product: one way in, three ways on. */
export function mark() {
  const way = (d, cls) => s("path", { d, class: `line ${cls}`, "stroke-width": 3 });
  return s(
    "svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("path", { d: "M4 16h7", class: "line l-soft" }),
    way("M11 16c5 0 4-8 9-8h8", "t-frontier"), way("M11 16h17", "t-medium"), way("M11 16c5 0 4 8 9 8h8", "t-simple"),
  );
}
