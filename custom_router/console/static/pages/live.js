// Decisions as they are made, of every worker. Bounded: at most ROWS on the page and WAITING in memory, drawn a few times a
// second however many come.

import { ApiError, events, get } from "../api.js";
import { announce, h, replace } from "../dom.js";
import { money, ms, number, plural, timeOfDay, words } from "../format.js";
import { chip, empty, field, loading, problem, segmented, select, tierChip } from "../parts.js";
import { openReceipt } from "../receipt.js";

const ROWS = 60;
const WAITING = 500;
const DRAW_MS = 300;
const SPOKEN_MS = 20_000;
const LOOKING_MS = 5000;
const RETRY_MS = [1000, 2000, 5000, 10_000];
const pause = (duration) => new Promise((resolve) => setTimeout(resolve, duration));

export function page({ who, query, rest }) {
  const controls = filters(query, who);
  const feed = new Feed(controls.values);
  controls.changed(() => {
    const text = new URLSearchParams(Object.entries(controls.values()).filter(([, value]) => value !== "")).toString();
    history.replaceState(null, "", text ? `#/live?${text}` : "#/live");
    feed.restart();
  });
  if (/^[\w-]{1,100}$/.test(rest[0] ?? "")) openReceipt(rest[0]);
  feed.restart();
  return {
    lead: who.admin ? "Every request as it is decided, in all workers. Open one to see its receipt." : "Your team's requests as they are decided. Open one to see its receipt.",
    element: h("div", { class: "card" }, controls.element, feed.element),
    leave: () => feed.stop(),
  };
}

function filters(query, who) {
  const text = (hint) => h("input", { type: "text", placeholder: hint, autocomplete: "off" });
  const fields = {
    tier: select([["", "any"], ["simple", "simple"], ["medium", "medium"], ["frontier", "frontier"]], query.tier),
    cache: select([["", "any"], ["hit", "hit"], ["miss", "miss"], ["bypass", "bypass"]], query.cache),
    escalated: select([["", "any"], ["true", "yes"], ["false", "no"]], query.escalated),
    status: select([["", "any"], ["ok", "ok"], ["error", "error"], ["unknown", "unknown"]], query.status),
    cause: text("such as score"), domain: text("such as legal"), team: text("name or id"), q: text("text of the record"),
  };
  if (!who.admin) delete fields.team;
  const names = { tier: "Tier", cache: "Cache", escalated: "Escalated", status: "Outcome", cause: "Cause", domain: "Domain", team: "Team", q: "Contains" };
  for (const [name, control] of Object.entries(fields)) if (query[name] && !control.value) control.value = query[name];
  const clear = h("button", { type: "button" }, "Clear filters");
  const box = h("div", { class: "filters", role: "search", "aria-label": "Filter decisions" }, Object.entries(fields).map(([name, control]) => field(names[name], control)), clear);
  const open = Object.keys(query).length > 0 || matchMedia("(min-width: 821px)").matches;
  const element = h("details", { class: "filter-box", open }, h("summary", {}, "Filters"), box);
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, control]) => [name, control.value.trim()]));
  const changed = (listener) => {
    let timer = 0;
    const later = () => { clearTimeout(timer); timer = setTimeout(listener, 300); };
    for (const control of Object.values(fields)) control.addEventListener(control.tagName === "SELECT" ? "change" : "input", later);
    clear.addEventListener("click", () => { for (const control of Object.values(fields)) control.value = ""; listener(); });
  };
  return { element, values, changed };
}

class Feed {
  constructor(values) {
    this.values = values;
    this.body = h("tbody", {});
    this.state = h("span", { class: "live-state" }, h("i", { "aria-hidden": "true" }), h("span", {}));
    this.note = h("div", {});
    this.older = h("button", { type: "button", on: { click: () => this.more() } }, "Show older");
    this.table = h("table", { class: "live" }, h("caption", { class: "unseen" }, "Decisions, newest first"), h("thead", {}, h("tr", {},
      ["time", "tier", "cache", "why", "team", "took", "cost", "saved"].map((name) => h("th", { scope: "col", class: CLASSES[name] }, name)))), this.body);
    const pace = segmented("Updates", [["on", "Live"], ["off", "Paused"]], "on", (value) => this.pause(value === "off"));
    this.element = h("div", {}, h("div", { class: "live-bar" }, this.state, pace), this.note, this.table, h("div", { class: "more" }, this.older));
    this.waiting = [];
    this.paused = false;
    this.pointed = -LOOKING_MS;
    this.spoken = 0;
    this.unspoken = 0;
    this.seen = [];
    // Rows must not run away from under a pointer, nor from under the focus.
    this.body.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") this.pointed = performance.now(); });
    this.body.addEventListener("pointerleave", () => { this.pointed = -LOOKING_MS; });
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) openReceipt(row.dataset.id, RECORDS.get(row));
    });
  }

  get held() {
    return this.paused || performance.now() - this.pointed < LOOKING_MS || this.body.contains(document.activeElement);
  }

  stop() {
    this.abort?.abort();
    clearInterval(this.timer);
  }

  pause(paused) {
    this.paused = paused;
    this.draw();
    announce(paused ? "Updates paused" : "Updates on");
  }

  async restart() {
    this.stop();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.waiting = [];
    this.lost = this.total = 0;
    this.next = null;
    this.older.hidden = true;
    this.tell("", "connecting …");
    replace(this.note, loading("decisions"));
    this.timer = setInterval(() => this.draw(), DRAW_MS);
    this.follow(signal); // before the list is asked for, so that nothing falls between the two
    try {
      const page = await get("api/decisions", { ...this.values(), limit: ROWS }, signal);
      this.listed(page, replace(this.body));
    } catch (error) {
      if (signal.aborted || error.refused) return;
      replace(this.note, problem(error, () => this.restart()));
    }
  }

  listed(page) {
    this.body.append(...page.decisions.filter((record) => !this.row(record.request_id)).map(rowOf));
    this.next = page.next;
    this.older.hidden = !page.next;
    replace(this.note, this.body.hasChildNodes() ? null : empty("No requests match", "New ones appear here as soon as they are decided."));
  }

  async more() {
    this.older.disabled = true;
    try {
      this.pauseQuietly();
      this.listed(await get("api/decisions", { ...this.values(), limit: ROWS, cursor: this.next }));
    } catch (error) {
      if (!error.refused) replace(this.note, problem(error, () => this.more()));
    } finally {
      this.older.disabled = false;
    }
  }

  /** Someone who reads further down does not want rows to be taken away at the bottom. */
  pauseQuietly() {
    if (!this.paused) this.element.querySelector(".segmented button:last-child").click();
  }

  async follow(signal) {
    for (let attempt = 0, again = false; !signal.aborted; again = true) {
      // What was written while nobody listened.
      if (again) setTimeout(() => this.fill(signal), RETRY_MS[0] / 2);
      try {
        for await (const { event, data } of events(`api/decisions/stream?${new URLSearchParams(Object.entries(this.values()).filter(([, value]) => value !== ""))}`, { signal })) {
          attempt = 0;
          if (event === "decision") this.take(JSON.parse(data));
          else if (event === "dropped") this.lost += JSON.parse(data).dropped ?? 0;
          else if (event === "end") break;
        }
        await pause(RETRY_MS[0] / 4);
      } catch (error) {
        if (signal.aborted || error.refused) return;
        if (error instanceof ApiError && error.status === 422) return this.tell("off", error.message);
        this.tell("off", `${error instanceof ApiError ? error.message : "The stream broke off."} Trying again …`);
        await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
        attempt += 1;
      }
    }
  }

  /** The newest of the list that are not shown: in place of a stream that is refused or broke off. */
  async fill(signal) {
    try {
      const { decisions } = await get("api/decisions", { ...this.values(), limit: ROWS }, signal);
      const waiting = new Set(this.waiting.map((record) => record.request_id));
      for (const record of decisions.reverse()) {
        if (!waiting.has(record.request_id) && !this.row(record.request_id)) this.take(record);
      }
    } catch (error) {
      if (!signal.aborted && !error.refused && !(error instanceof ApiError)) throw error;
    }
  }

  take(record) {
    this.waiting.push(record);
    this.total += 1;
    this.unspoken += 1;
    if (this.waiting.length > WAITING) this.waiting.shift();
    const now = performance.now();
    this.seen.push(now);
    while (this.seen[0] < now - 5000) this.seen.shift();
  }

  row(id) {
    return this.body.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  draw() {
    const held = this.held;
    const now = performance.now();
    while (this.seen.length && this.seen[0] < now - 5000) this.seen.shift();
    const rate = this.seen.length / 5;
    const pace = rate >= 0.2 ? `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a second` : "waiting for requests";
    const lost = this.lost ? ` · ${number(this.lost)} not shown, they came too fast` : "";
    if (!this.state.classList.contains("off") || this.waiting.length) {
      if (held) this.tell("held", `${this.paused ? "Paused" : "Held while you look"} · ${this.waiting.length >= WAITING ? `over ${WAITING}` : number(this.waiting.length)} new${lost}`);
      else this.tell("on", `Live · ${pace}${lost}`);
    }
    if (!held && this.waiting.length) {
      const fresh = this.waiting.slice(-ROWS).reverse();
      this.waiting = [];
      const rows = document.createDocumentFragment();
      rows.append(...fresh.filter((record) => !this.row(record.request_id)).map(rowOf));
      this.body.prepend(rows);
      while (this.body.childElementCount > ROWS) this.body.lastElementChild.remove();
      if (this.note.hasChildNodes()) replace(this.note);
    }
    if (this.unspoken && now - this.spoken > SPOKEN_MS) {
      announce(`${plural(this.unspoken, "new request")}`);
      this.spoken = now;
      this.unspoken = 0;
    }
  }

  tell(kind, text) {
    const name = `live-state ${kind}`;
    if (this.state.className !== name) this.state.className = name;
    if (this.state.lastElementChild.textContent !== text) this.state.lastElementChild.textContent = text;
  }
}

const CLASSES = { time: "c-time", tier: "c-tier", cache: "c-cache", why: "c-why", team: "c-team", took: "num c-num c-ms", cost: "num c-num c-cost", saved: "num c-num c-saved" };

/** Row to its record, for as long as the row is there. */
const RECORDS = new WeakMap();

function rowOf(record) {
  const { cost, cache, gate, outcome, tenant, latency_ms: took } = record;
  const causes = (record.causes ?? []).map(words).join(", ");
  const cell = (name, ...children) => h("td", { class: CLASSES[name] }, children);
  const tier = gate?.escalated_to ? [tierChip(record.tier), h("span", { class: "arrow" }, " ↑"), h("span", { class: "unseen" }, ` escalated to ${gate.escalated_to}`)] : tierChip(record.tier);
  const row = h(
    "tr", { "data-id": record.request_id },
    h("th", { scope: "row", class: CLASSES.time }, h("button", { type: "button", class: "link", "aria-haspopup": "dialog", "aria-label": `Receipt of ${timeOfDay(record.time)}` }, timeOfDay(record.time))),
    cell("tier", tier),
    h("td", { class: `${CLASSES.cache} ${cache?.status === "hit" ? "" : "none"}` }, cache?.status === "hit" ? chip("hit", "hit") : h("span", { class: "note" }, cache?.status ?? "")),
    h("td", { class: `${CLASSES.why} why` }, outcome?.status === "error" ? [chip("failed", "bad"), " "] : null, causes),
    cell("team", tenant?.team_alias ?? tenant?.team ?? tenant?.key_alias ?? ""),
    cell("took", ms(took?.total)), cell("cost", money(cost?.total)), cell("saved", money(cost?.saved)),
  );
  RECORDS.set(row, record);
  return row;
}
