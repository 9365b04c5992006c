// Five questions: what did I save, what did it risk, where did requests go and why, what should I change, is it well?

import { get } from "../api.js";
import { gap, stacked } from "../charts.js";
import { h } from "../dom.js";
import { known, moment, money, ms, number, percent, plural, share, short, tick, words } from "../format.js";
import { healthCard } from "../health.js";
import { hints } from "../hints.js";
import { SPANS, TIERS, bar, card, cardWith, chip, empty, outdated, region, segmented, table, tierChip } from "../parts.js";

const AGAIN_MS = 60_000;
const LEADS = { live: "See these requests", policy: "Open the policy", cache: "Open the cache", classifier: "Open classifier and gate", playground: "Open the playground" };
let chosen = "24h";
let asked = false;

export function page() {
  const { element, show } = region("the report");
  const load = () => show(async () => {
    let report = await get("api/overview", { since: chosen });
    // Who has just begun sees minutes of traffic as one column of a day: the last hour shows more.
    if (!asked && report.requests && report.over_time.length < 3) report = await get("api/overview", { since: (chosen = "1h") });
    tools.querySelectorAll("button").forEach((button, at) => button.setAttribute("aria-pressed", String(SPANS[at][0] === chosen)));
    asked = true;
    return report;
  }, draw);
  const tools = segmented("Span of time", SPANS, chosen, (span_) => { chosen = span_; asked = true; load(); });
  const timer = setInterval(() => { if (!document.hidden && !element.contains(document.activeElement)) load(); }, AGAIN_MS);
  load();
  return {
    lead: "What routing saved, what it risked, and what the figures suggest to change.",
    tools,
    element,
    leave: () => clearInterval(timer),
  };
}

function draw(report) {
  const advice = hintCard(hints(report, report.health));
  if (!report.requests) return h("div", { class: "stack" }, card(null, empty("No requests in this span yet", "Choose a longer one, or send a request to the model auto.")), advice, healthCard(report.health));
  return h(
    "div", {}, outdated(report),
    h("div", { class: "figures" }, figures(report)),
    h("div", { class: "stack" },
      h("div", { class: "grid-main" },
        h("div", { class: "stack" }, savings(report), traffic(report), reasons(report), risk(report), latency(report)),
        h("div", { class: "stack" }, advice, against(report), healthCard(report.health), projection(report))),
      who(report), deployments(report), notes(report)),
  );
}

function figure(label, value, note, kind = "") {
  return h("section", { class: "card figure" }, h("h2", { class: "label" }, label), h("div", { class: `value ${kind}` }, value), h("p", { class: "note" }, note));
}

function figures({ cost, escalation, cache, quality }) {
  const wrong = cache.hit ? `${number(Number(cache.estimated_wrong.toFixed(1)))} of them estimated wrong` : "nothing was asked twice alike";
  return [
    figure("Saved", money(cost.saved), known(cost.saved_share) ? `${percent(cost.saved_share)} of ${money(cost.frontier_baseline)}, what the frontier would have cost for the same tokens` : "no price to compare with", cost.saved > 0 ? "good" : ""),
    figure("Quality", quality.labelled ? percent(quality.good_share) : "not labelled", quality.labelled ? `of ${plural(quality.labelled, "labelled answer")} good${quality.interval ? `, 95 % interval ${percent(quality.interval[0])} to ${percent(quality.interval[1])}` : ""}` : "send scores to /router/feedback to know"),
    figure("Escalated", escalation.judged ? percent(escalation.rate) : "–", escalation.judged ? `${number(escalation.escalated)} of ${plural(escalation.judged, "judged answer")} replaced by a better model's` : "the gate judged no answer"),
    figure("Cache hits", percent(cache.hit_rate), `${plural(cache.hit, "answer")} given again at no cost; ${wrong}`),
  ];
}

function hintCard(found) {
  const advice = card("What should I change?", h("div", { class: "hints" }, found.map((one) => h(
    "div", { class: `hint ${one.level}` }, h("span", { class: "mark", "aria-hidden": "true" }),
    h("strong", {}, h("span", { class: "unseen" }, { bad: "Mend now: ", warn: "Worth a look: ", good: "Good: ", note: "To know: " }[one.level]), one.title),
    h("p", {}, one.text, one.page ? [" ", h("a", { href: `#/${one.page}${one.query ? `?${one.query}` : ""}` }, LEADS[one.page])] : null),
  ))));
  advice.classList.add("first");
  return advice;
}

const NOTHING = { requests: 0, simple: 0, medium: 0, frontier: 0, hits: 0, escalated: 0, errors: 0, cost: 0, frontier_baseline: 0, saved: 0 };

/** Every step from the one before the first request to now: a step without requests is not in the report. */
function steps({ over_time: told, period }) {
  const step = period.step_s * 1000;
  const known_ = new Map(told.map((point) => [Date.parse(point.start), point]));
  const found = [];
  for (let at = Date.parse(told[0].start) - step; at <= Math.max(Date.parse(period.end), Date.parse(told.at(-1).start)); at += step) {
    found.push(known_.get(at) ?? { ...NOTHING, start: new Date(at).toISOString() });
  }
  return found;
}

const span = (points) => Date.parse(points.at(-1).start) - Date.parse(points[0].start);

function savings(report) {
  const points = steps(report);
  const { period } = report;
  let cost = 0, baseline = 0;
  const totals = points.map((point) => ({ start: point.start, cost: (cost += point.cost), baseline: (baseline += point.frontier_baseline) }));
  const whole = span(points);
  return card("What did I save?", gap({
    title: "Cost so far, with the router and without", points: totals,
    upper: { name: "all at the frontier", fill: "f-soft", line: "l-soft", of: (p) => p.baseline }, lower: { name: "paid", fill: "f-accent", line: "l-accent", of: (p) => p.cost },
    label: (p) => tick(p.start, whole), when: (p) => moment(p.start), show: money,
  }), h("p", { class: "note" }, `Running totals of ${moment(period.start)} to ${moment(period.end)}. Paid includes escalations and what deciding and judging cost.`));
}

function traffic(report) {
  const points = steps(report);
  const { tiers } = report;
  const whole = span(points);
  return card("Where did requests go?", stacked({
    title: "Answers over time by tier", points, show: short,
    series: [...TIERS.map((tier) => ({ name: tier, fill: `f-${tier}`, of: (p) => p[tier] })), { name: "cache", fill: "f-cache", of: (p) => p.hits }],
    total: [...TIERS.map((tier) => `${short(tiers[tier]?.requests)} · ${percent(tiers[tier]?.share)}`), short(points.reduce((sum, p) => sum + p.hits, 0))],
    label: (p) => tick(p.start, whole), when: (p) => moment(p.start),
  }));
}

function against({ cost }) {
  const most = Math.max(cost.frontier_baseline ?? 0, cost.shuffled ?? 0, cost.total ?? 0, 1e-12);
  const line = (name, usd, kind, note) => h("div", {}, h("span", {}, name), h("b", {}, money(usd)), bar((usd ?? 0) / most, kind), note ? h("span", { class: "note" }, note) : null);
  return card(
    "Measured against what?",
    h("div", { class: "versus" },
      line("Paid", cost.total, "", cost.classifier || cost.escalation ? `of it ${money(cost.escalation)} escalations, ${money(cost.classifier)} deciding and judging` : null),
      line("The same mix of tiers, dealt at random", cost.shuffled, "soft", known(cost.shuffled) ? `over ${plural(cost.compared, "request")} priced at every tier` : "no request is priced at every tier"),
      line("All at the frontier", cost.frontier_baseline, "frontier")),
    cost.unpriced ? h("p", { class: "note" }, `${plural(cost.unpriced, "request")} without a price are in none of these.`) : null,
  );
}

function counted(title, caption, counts, total, { link, limit = 8 } = {}) {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, limit);
  if (!rows.length) return null;
  return table(caption, [[title, ([name]) => (link ? h("a", { href: link(name) }, words(name)) : words(name))], ["requests", ([, n]) => number(n), "num"], ["share", ([, n]) => bar(n / total)]], rows, { shown: false });
}

function reasons({ causes, domains, requests }) {
  const most = Math.max(...Object.values(causes), 1);
  return card("Why did they go there?", counted("cause", "Causes by number of requests", causes, most, { link: (name) => `#/live?cause=${encodeURIComponent(name)}` }) ?? h("p", { class: "note" }, "No causes."),
    Object.keys(domains).length ? [h("h3", {}, "Domains"), counted("domain", "Domains by number of requests", domains, requests, { link: (name) => `#/live?domain=${encodeURIComponent(name)}` })] : null);
}

function latency({ latency_ms: took }) {
  const rows = [["direct", took.direct], ["escalated", took.escalated], ["cache hit", took.hit], ["first token", took.ttft], ["the router's part", took.overhead]].filter(([, q]) => q?.n);
  const stages = Object.entries(took.stages ?? {}).filter(([, q]) => q.n);
  const columns = [["path", ([name]) => words(name)], ["requests", ([, q]) => number(q.n), "num"], ["median", ([, q]) => ms(q.p50), "num"], ["95 %", ([, q]) => ms(q.p95), "num"], ["99 %", ([, q]) => ms(q.p99), "num"]];
  return card("How long did it take?", table("Latency by path", columns, rows), h("details", { class: "table-of" }, h("summary", {}, "The router's stages"), table("Latency by stage", [["stage", ([name]) => words(name)], ...columns.slice(1)], stages)));
}

function risk({ escalation, cache, quality }) {
  const verdicts = { trust: ["trusted", "good"], review: ["for review", "warn"], escalate: ["replaced", "bad"], none: ["unmeasured", ""], bypass: ["not judged", ""] };
  return card(
    "What did it risk?",
    h("p", {}, "The gate's verdicts on cheap answers: ", Object.entries(escalation.verdicts).map(([name, n]) => [chip(`${verdicts[name]?.[0] ?? words(name)} ${number(n)}`, verdicts[name]?.[1] ?? ""), " "])),
    table("By tier that answered first", [
      ["tier", ([tier]) => tierChip(tier)], ["judged", ([, t]) => number(t.judged), "num"], ["replaced", ([, t]) => number(t.escalated), "num"],
      ["labelled", ([tier]) => number(quality.by_tier?.[tier]?.labelled ?? 0), "num"], ["good", ([tier]) => percent(quality.by_tier?.[tier]?.good_share), "num"],
    ], Object.entries(escalation.by_tier)),
    h("p", {}, cache.hit ? `Of ${plural(cache.hit, "cache hit")}, ${number(cache.exact)} had the same text and ${number(cache.semantic)} the same meaning; ${cache.estimated_wrong.toFixed(2)} are estimated wrong by their own P(same question)${cache.labelled ? `, and ${number(cache.labelled_wrong)} of ${number(cache.labelled)} labelled ones were` : ""}.` : "No stored answer was given, so none can have been wrong."),
  );
}

function projection({ projection: month, break_even: even }) {
  return card("If it goes on like this", h("div", { class: "receipt-facts" },
    [["requests a month", short(month.month_requests)], ["cost a month", money(month.month_cost)], ["all at the frontier", money(month.month_frontier)], ["saved a month", money(month.month_saved)]].map(([name, value]) => h("div", {}, h("span", { class: "label" }, name), h("b", {}, value)))),
  even?.line ? h("p", {}, even.line) : null, h("ul", { class: "note" }, (month.assumptions ?? []).map((line) => h("li", {}, line))));
}

function who({ by }) {
  const kinds = [["team", "Team"], ["key", "Key"], ["end_user", "End user"], ["domain", "Domain"], ["call_type", "Call type"], ["experiment", "Experiment"]].filter(([kind]) => by[kind]?.length);
  if (!kinds.length) return null;
  const place = h("div", {});
  const columns = (kind) => [
    [words(kind), (row) => row.name ?? "none"], ["requests", (row) => number(row.requests), "num"], ["cost", (row) => money(row.cost), "num"], ["saved", (row) => money(row.saved), "num"],
    ["simple", (row) => percent(share(row.simple, row.requests)), "num"], ["medium", (row) => percent(share(row.medium, row.requests)), "num"], ["frontier", (row) => percent(share(row.frontier, row.requests)), "num"],
    ["hits", (row) => number(row.hits), "num"], ["escalated", (row) => number(row.escalated), "num"], ["errors", (row) => number(row.errors), "num"], ["median", (row) => ms(row.p50), "num"],
  ];
  const pick = (kind) => place.replaceChildren(table(`Requests by ${words(kind)}`, columns(kind), by[kind]));
  pick(kinds[0][0]);
  return cardWith("Who used it?", segmented("Break down by", kinds, kinds[0][0], pick), place);
}

function deployments({ deployments: all }) {
  const rows = Object.entries(all ?? {}).sort(([, a], [, b]) => b.requests - a.requests);
  if (!rows.length) return null;
  return card("Which deployments answered?", table("Deployments", [["deployment", ([id]) => h("code", {}, id.length > 24 ? `${id.slice(0, 12)}…` : id)], ["requests", ([, d]) => number(d.requests), "num"], ["errors", ([, d]) => number(d.errors), "num"], ["cost", ([, d]) => money(d.cost), "num"]], rows.slice(0, 12)));
}

function notes({ notes: said, read, generated_at: at }) {
  return h("p", { class: "note" }, `From ${plural(read?.records ?? 0, "record")} in ${plural(read?.segments ?? 0, "file")}, ${moment(at)}. `, (said ?? []).join(" "));
}
