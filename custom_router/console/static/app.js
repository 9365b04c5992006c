// The frame: asks for a key, finds out what it may see, and shows one page after another by the address's hash.

import { get, key, setKey, whenRefused } from "./api.js";
import { announce, h, replace } from "./dom.js";
import { icon, mark } from "./icons.js";
import { field, loading, problem } from "./parts.js";

const EVERYBODY = [
  ["live", "Live decisions", "Requests", () => import("./pages/live.js")],
  ["playground", "Playground", "Playground", () => import("./pages/playground.js")],
];
const ADMINS = [
  ["overview", "Overview", "Overview", () => import("./pages/overview.js")],
  ...EVERYBODY,
  ["policy", "Policy", "Policy", () => import("./pages/policy.js")],
  ["cache", "Cache", "Cache", () => import("./pages/cache.js")],
  ["classifier", "Classifier and gate", "Classifier", () => import("./pages/classifier.js")],
  ["experiments", "Experiments", "Experiments", () => import("./pages/experiments.js")],
];

const app = document.getElementById("app");
let who = null;
let leave = null;
let turn = 0;

const pages = () => (who.admin ? ADMINS : EVERYBODY);

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand
  }
}

/** The page and its query that an address names: #/live?tier=frontier. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name, rest: rest.map(decoded), query: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

function door(message) {
  left();
  who = null;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true, name: "key", "aria-invalid": message ? "true" : null });
  const submit = h("button", { class: "primary", type: "submit" }, "Open the console");
  const form = h(
    "form", { class: "card" },
    h("div", { class: "brand" }, mark(), h("h1", {}, "Tier router")),
    h("p", { class: "note" }, "See what was saved, what it risked, and why each request went where it went. An administrator's key shows everything; any other key shows its own team's requests."),
    message ? h("p", { class: "notice bad", role: "alert" }, message) : null,
    field("LiteLLM key", input, "Kept in this tab only, and gone when you close it."),
    submit,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = input.value.trim();
    if (!given) return;
    if (/[^\x21-\x7e]/.test(given)) {
      door("That is no key: it holds spaces or letters that no key has.");
      return;
    }
    submit.disabled = true;
    setKey(given);
    enter();
  });
  document.title = "Tier router";
  replace(app, h("main", { class: "door", id: "main", tabindex: "-1" }, form));
  input.focus();
}

async function enter() {
  try {
    who = await get("api/whoami");
  } catch (error) {
    if (error.refused || error.status === 400 || error.status === 403) {
      setKey(null);
      door(`The proxy does not take this key: it is wrong, expired or blocked. Give another one.`);
    } else {
      replace(app, h("main", { class: "door", id: "main", tabindex: "-1" }, h("div", { class: "card" }, problem(error, () => enter()))));
    }
    return;
  }
  frame();
  show();
}

whenRefused(() => {
  if (!who) return;
  setKey(null);
  door("This key is no longer accepted: it has expired, was blocked or was deleted. Give another one to go on.");
});

function frame() {
  const theme = h("button", { type: "button", class: "quiet", on: { click: turnTheme }, "aria-label": "Switch between light and dark" }, icon("theme"));
  const out = h("button", { type: "button", class: "quiet", "aria-label": "Forget the key", on: { click: () => { setKey(null); door(null); } } }, icon("leave"));
  const name = who.admin ? (who.may_change ? "Administrator" : "Administrator, may look only") : [who.key_alias, who.team].filter(Boolean).join(" · ") || "Your key";
  replace(
    app,
    h(
      "div", { class: "frame" },
      h(
        "header", { class: "side" },
        h("div", { class: "brand" }, mark(), "Tier router"),
        h("nav", { class: "nav", "aria-label": "Pages" }, h("ul", {}, pages().map(([id, , text]) => h("li", {}, h("a", { href: `#/${id}`, "data-page": id }, icon(id), text))))),
        h("div", { class: "who" }, h("span", { class: "who-name" }, name), h("div", { class: "who-buttons" }, theme, out)),
      ),
      h("main", { class: "main", id: "main", tabindex: "-1" }),
    ),
  );
}

function turnTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("tier-router-theme", root.dataset.theme);
  } catch {
    // then it holds until the page is reloaded
  }
  announce(dark ? "Light theme" : "Dark theme");
}

function left() {
  leave?.();
  leave = null;
}

async function show() {
  if (!who) return;
  const { name, rest, query } = address();
  const found = pages().find(([id]) => id === name) ?? pages()[0];
  const [id, title, , load] = found;
  const mine = ++turn;
  left();
  for (const link of app.querySelectorAll(".nav a")) {
    if (link.dataset.page === id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = document.getElementById("main");
  document.title = `${title} · Tier router`;
  const moved = main.hasChildNodes();
  const heading = h("h1", { tabindex: "-1" }, title);
  replace(main, h("div", { class: "head" }, heading), loading(title.toLowerCase()));
  scrollTo(0, 0);
  if (moved) heading.focus();
  try {
    const page = (await load()).page({ who, query, rest });
    if (mine !== turn || !who) {
      page.leave?.();
      return;
    }
    leave = page.leave ?? null;
    const words = h("div", {}, heading, page.lead ? h("p", {}, page.lead) : null);
    replace(main, h("div", { class: "head" }, words, page.tools ? h("div", { class: "head-tools" }, page.tools) : null), page.element);
    if (moved) heading.focus();
  } catch (error) {
    if (mine === turn && !error.refused) replace(main, h("div", { class: "head" }, heading), problem(error, show));
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address's hash names the page
  document.getElementById("main")?.focus();
});
addEventListener("hashchange", show);
if (key() === null) door(null);
else enter();
