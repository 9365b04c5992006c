// What the cache holds, why it was passed by, and dropping entries.

import { get, post } from "../api.js";
import { announce, h, replace } from "../dom.js";
import { age, number, percent, plural, score, share, words } from "../format.js";
import { SPANS, bar, card, cardWith, check, chip, confirmed, empty, facts, field, outdated, problem, region, segmented, select, table, tierChip } from "../parts.js";

const LIMIT = 100;
let chosen = "24h";

export function page({ who }) {
  const { element, show } = region("the entries");
  const use = region("what it did");
  const done = h("div", {});
  const conditions = filters();
  const texts = h("input", { type: "checkbox" });
  const reload = () => show(() => get("api/cache", { ...conditions.values(), limit: LIMIT, texts: texts.checked || null }), draw);

  async function drop(picked, what) {
    if (!(await confirmed("Drop from the cache?", `${what} will be forgotten in every worker that shares the store. The next such question is answered, and paid for, anew.`, "Drop"))) return;
    try {
      const { dropped } = await post("../router/cache/invalidate", picked);
      replace(done, h("p", { class: "notice good" }, `${plural(dropped, "entry", "entries")} dropped.`));
      announce(`${plural(dropped, "entry", "entries")} dropped`);
      reload();
    } catch (error) {
      if (!error.refused) replace(done, problem(error));
    }
  }

  function draw(found) {
    const { shown, ...state } = found;
    const given = conditions.values();
    const any = Object.keys(given).length > 0;
    const all = who.may_change && shown.length ? h("button", { type: "button", class: "danger", on: { click: () => drop(any ? given : { all: true }, any ? "Every entry that meets these conditions" : "Every entry") } }, any ? "Drop all that match" : "Drop everything") : null;
    return h("div", { class: "stack" }, stateCard(state), cardWith(`Entries${shown.length >= LIMIT ? `, the newest ${LIMIT}` : `, ${number(shown.length)}`}`, all, shown.length ? entries(shown) : empty(any ? "No entry meets these conditions" : "The cache is empty", "Answers that the gate accepts are kept here, and given again to the same question.")));
  }

  function entries(shown) {
    const columns = [
      [texts.checked ? "question" : "entry", (entry) => (texts.checked ? h("div", {}, entry.question ?? "text not kept", entry.answer ? h("p", { class: "note" }, entry.answer.length > 220 ? `${entry.answer.slice(0, 220)}…` : entry.answer) : null) : h("code", {}, entry.entry_id.slice(0, 16)))],
      ["tier", (entry) => tierChip(entry.tier)], ["tenant", (entry) => entry.tenant], ["domain", (entry) => entry.domain ?? "none"], ["age", (entry) => age(entry.age_s), "num"], ["kept for", (entry) => age(entry.ttl_s), "num"],
      ["matches", (entry) => (entry.semantic ? "meaning" : "same text")],
    ];
    if (who.may_change) columns.push(["action", (entry) => h("button", { type: "button", class: "quiet", "aria-label": `Drop entry ${entry.entry_id.slice(0, 8)}`, on: { click: () => drop({ entry_id: entry.entry_id }, "This entry") } }, "Drop"), "num"]);
    return table("Entries, newest first", columns, shown);
  }

  conditions.changed(reload);
  texts.addEventListener("change", reload);
  reload();
  const used = () => use.show(() => get("api/overview", { since: chosen }), usage);
  used();
  return {
    lead: "Answers kept to be given again. Only what the gate accepted is in here, and only for whom it may be.",
    tools: segmented("Span of time", SPANS, chosen, (span) => { chosen = span; used(); }),
    element: h("div", { class: "stack" }, use.element, h("div", { class: "card" }, conditions.element, h("div", { class: "buttons" }, check("show questions and answers", texts))), done, element),
  };
}

function filters() {
  const text = (hint) => h("input", { type: "text", autocomplete: "off", placeholder: hint });
  const fields = { tenant: text("such as team:support"), domain: text("any"), model: text("any"), tier: select([["", "any"], ["simple", "simple"], ["medium", "medium"], ["frontier", "frontier"]]), older_than_s: select([["", "any age"], ["3600", "older than an hour"], ["86400", "older than a day"]]), like: text("a question") };
  const names = { tenant: "Tenant", domain: "Domain", model: "Model", tier: "Tier", older_than_s: "Age", like: "Question like" };
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, control]) => [name, name === "older_than_s" && control.value ? Number(control.value) : control.value.trim()]).filter(([, value]) => value !== ""));
  const changed = (listener) => {
    let timer = 0;
    for (const control of Object.values(fields)) control.addEventListener(control.tagName === "SELECT" ? "change" : "input", () => { clearTimeout(timer); timer = setTimeout(listener, 350); });
  };
  return { element: h("div", { class: "filters", role: "search", "aria-label": "Filter entries" }, Object.entries(fields).map(([name, control]) => field(names[name], control))), values, changed };
}

function usage({ cache, requests, generated_at }) {
  const guards = Object.entries(cache.guards).sort(([, a], [, b]) => b - a);
  const figure = (name, value) => h("div", {}, h("span", { class: "label" }, name), h("b", {}, value));
  return h("div", { class: "grid-2" },
    card("What it did", outdated({ generated_at }), h("div", { class: "receipt-facts" }, figure("hits", `${number(cache.hit)} · ${percent(cache.hit_rate)}`), figure("same text", number(cache.exact)), figure("same meaning", number(cache.semantic)), figure("estimated wrong", score(cache.estimated_wrong)), figure("misses", number(cache.miss)), figure("passed by", number(cache.bypass)))),
    card("Why not from the cache?", guards.length ? table("Reasons by number of requests", [["reason", ([name]) => h("a", { href: `#/live?q=${encodeURIComponent(name)}` }, words(name))], ["requests", ([, n]) => number(n), "num"], ["share", ([, n]) => bar(share(n, requests) ?? 0)]], guards.slice(0, 10)) : h("p", { class: "note" }, "No reason was recorded: every miss was a question asked for the first time.")));
}

function stateCard(state) {
  const shown = Object.entries(state).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return cardWith("The store", chip(state.error ? "out of order" : state.enabled === false ? "off" : "in order", state.error ? "bad" : state.enabled === false ? "warn" : "good"), state.error ? h("p", { class: "notice bad" }, state.error) : null, facts(shown.filter(([name]) => name !== "error").map(([name, value]) => [words(name), typeof value === "number" ? number(value) : String(value)])));
}
