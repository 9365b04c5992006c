// Pieces that several pages share.

import { ApiError } from "./api.js";
import { freshId, h, replace } from "./dom.js";
import { age, score } from "./format.js";
import { icon } from "./icons.js";

export const TIERS = ["simple", "medium", "frontier"];

export const chip = (text, kind = "") => h("span", { class: `chip ${kind}` }, text);
export const tierChip = (tier) => chip(tier || "none", TIERS.includes(tier) ? tier : "");

export function card(title, ...children) {
  return h("section", { class: "card" }, title ? h("h2", {}, title) : null, children);
}

/** A card whose head holds a control, or a word, beside the title. */
export function cardWith(title, beside, ...children) {
  return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, title), beside), children);
}

/** Columns are [heading, cell of a row, "num" for numbers]; the first cell heads its row. */
export function table(caption, columns, rows, { shown = false } = {}) {
  const head = h("tr", {}, columns.map(([name, , kind]) => h("th", { scope: "col", class: kind }, name)));
  const line = (row) => h("tr", {}, columns.map(([, cell, kind], at) => (at === 0 ? h("th", { scope: "row", class: kind }, cell(row)) : h("td", { class: kind }, cell(row)))));
  return h(
    "div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", {}, h("caption", { class: shown ? null : "unseen" }, caption), h("thead", {}, head), h("tbody", {}, rows.map(line))),
  );
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A bar of a share of 0..1. */
export function bar(value, kind = "") {
  const inner = h("span", { class: kind });
  inner.style.width = `${Math.max(0, Math.min(1, value || 0)) * 100}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}

export const empty = (title, ...more) => h("div", { class: "empty" }, h("strong", {}, title), more.map((line) => h("span", {}, line)));
export const loading = (what) => h("div", { class: "loading", role: "status" }, h("span", {}, `Loading ${what} …`), h("i"), h("i"), h("i"));

/** What went wrong, and what to do about it. */
export function problem(error, retry) {
  const told = error instanceof ApiError ? error.message : `This page has a fault: ${error.message}`;
  if (!(error instanceof ApiError)) console.error(error);
  return h(
    "div", { class: "notice bad", role: "alert" }, h("p", {}, told),
    retry ? h("p", {}, h("button", { type: "button", on: { click: retry } }, "Try again")) : null,
  );
}

/** Shows what `load` gives, with its waiting and its failure; a later call makes an earlier one's answer unseen. */
export function region(what) {
  const element = h("div", {});
  let turn = 0;
  const show = async (load, draw) => {
    const mine = ++turn;
    if (!element.hasChildNodes()) replace(element, loading(what));
    element.setAttribute("aria-busy", "true");
    try {
      const got = await load();
      if (mine === turn) replace(element, draw(got));
    } catch (error) {
      if (mine === turn && error.name !== "AbortError" && !error.refused) replace(element, problem(error, () => { element.replaceChildren(); show(load, draw); }));
    } finally {
      if (mine === turn) element.removeAttribute("aria-busy");
    }
  };
  return { element, show };
}

export function field(label, control, hint) {
  control.id ||= freshId("field");
  const note = hint ? h("span", { class: "note", id: freshId("note") }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, note);
}

export function check(label, control) {
  return h("label", { class: "check" }, control, label);
}

export function select(options, chosen) {
  const control = h("select", {}, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  return control;
}

/** One of several, as buttons of which one is pressed. */
export function segmented(label, options, chosen, pick) {
  const buttons = options.map(([value, text]) => h("button", { type: "button", "aria-pressed": String(value === chosen), on: { click: () => {
    for (const [at, other] of buttons.entries()) other.setAttribute("aria-pressed", String(options[at][0] === value));
    pick(value);
  } } }, text));
  return h("div", { class: "segmented", role: "group", "aria-label": label }, buttons);
}

/** The spans of time that every page of figures offers. */
export const SPANS = [["1h", "Hour"], ["24h", "Day"], ["7d", "Week"], ["30d", "Month"]];

const OLD_S = 180;

/** Says so where a report is an old one, because a newer one was not made in time; nothing otherwise. */
export function outdated({ generated_at: made }) {
  const old = (Date.now() - Date.parse(made)) / 1000;
  return old > OLD_S ? h("p", { class: "notice" }, `These figures are ${age(old)} old: newer ones take longer to make than a page waits. They are being made; a shorter span is faster.`) : null;
}

/** A drawer at the side. Esc, its button and a click beside it close it; focus goes back to where it was. */
export function drawer(title, beside) {
  const heading = h("h2", { id: freshId("drawer"), tabindex: "-1" }, title);
  const body = h("div", { class: "drawer-body" });
  const dialog = h(
    "dialog", { class: "drawer", "aria-labelledby": heading.id },
    h("div", { class: "drawer-head" }, h("div", {}, heading, beside), h("button", { type: "button", class: "quiet", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
    body,
  );
  dialog.addEventListener("click", (event) => { if (event.target === dialog && event.clientX < dialog.getBoundingClientRect().left) dialog.close(); });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  heading.focus();
  return { dialog, body };
}

/** Asks before something that cannot be undone. Resolves to true when it is wanted. */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const heading = h("h2", { id: freshId("ask") }, title);
    let answer = false;
    const no = h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
    const yes = h("button", { type: "button", class: "danger", on: { click: () => { answer = true; dialog.close(); } } }, action);
    const dialog = h("dialog", { class: "ask", "aria-labelledby": heading.id }, h("div", {}, heading, h("p", {}, text), h("div", { class: "buttons" }, no, yes)));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(answer); });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}

/** p_ok of a tier against its threshold. */
export function meter(tier, p, threshold) {
  const shown = bar(p, tier);
  if (threshold !== null && threshold !== undefined) {
    const line = h("span", { class: "threshold" });
    line.style.left = `${threshold * 100}%`;
    shown.append(line);
  }
  const reached = threshold === null || threshold === undefined ? "" : p >= threshold ? `≥ ${score(threshold)}` : `< ${score(threshold)}`;
  return h("div", { class: "meter" }, h("span", {}, tierChip(tier)), shown, h("span", { class: "num" }, `${score(p, 3)} ${reached}`));
}
