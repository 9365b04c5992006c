// One request's receipt: where it went, why, what it cost and would have cost, how long it took.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { age, known, moment, money, ms, number, percent, score, share, words } from "./format.js";
import { TIERS, bar, chip, drawer, facts, loading, meter, problem, tierChip } from "./parts.js";

/** Opens the receipt of a request in a drawer. `listed` is its record, where the page has it: it says where to look, and is
    shown where it lies too deep to be looked for. */
export function openReceipt(id, listed = null) {
  const { body, dialog } = drawer("Receipt", h("p", { class: "note mono" }, id));
  replace(body, loading("the receipt"));
  const load = async () => {
    try {
      const found = await get(`api/decisions/${encodeURIComponent(id)}`, { time: listed?.time });
      replace(body, receipt(found.record, found.explanation));
    } catch (error) {
      if (error.refused) return;
      if (error.status !== 404) return replace(body, problem(error, load));
      const why = error.body?.complete === false ? `${error.message}.` : "No such request, or not yours to see. Records that were deleted to make room are gone.";
      replace(body, h("p", { class: "notice" }, listed ? "This is the record as the list gave it; what its causes mean could not be looked up. " : "", why), listed ? receipt(listed, null) : null);
    }
  };
  load();
  return dialog;
}

/** The receipt's sections. `explanation` may be null where only the record is known. */
export function receipt(record, explanation) {
  return [summary(record), why(record, explanation), costs(record), cache(record, explanation), gate(record, explanation), timeline(record), circumstances(record, explanation), text(record)].filter(Boolean);
}

function section(title, ...children) {
  return h("section", {}, h("h3", {}, title), children);
}

function summary(record) {
  const { cost, gate: judged, cache: found, latency_ms: took, outcome } = record;
  const saved = share(cost.saved, cost.frontier_baseline);
  const went = found.status === "hit" ? ["Answered from the cache with an answer of the ", tierChip(record.tier), " tier"]
    : judged.escalated_to ? ["Tried at ", tierChip(record.decided_tier), ", found wanting, answered by ", tierChip(judged.escalated_to)]
    : ["Answered by ", tierChip(record.tier)];
  const bad = outcome.status === "error" ? [". It failed: ", h("strong", {}, words(outcome.error ?? "unknown error"))] : outcome.status === "unknown" ? ". How it ended was never reported" : "";
  const figure = (name, value) => h("div", {}, h("span", { class: "label" }, name), h("b", {}, value));
  return h(
    "section", { class: "stack" }, h("p", { class: "verdict" }, went, bad, "."),
    h("div", { class: "receipt-facts" }, figure("cost", money(cost.total)), figure("saved", known(cost.saved) ? `${money(cost.saved)}${known(saved) ? ` · ${percent(saved)}` : ""}` : "–"), figure("took", ms(took.total)), figure("tokens", `${number(record.tokens.input)} + ${number(record.tokens.output)}`)),
  );
}

export function causeList(causes) {
  return h("ul", { class: "causes" }, causes.map(({ code, meaning }) => h("li", {}, h("strong", { class: "mono" }, code), h("span", {}, meaning))));
}

function why(record, explanation) {
  const causes = explanation?.causes ?? record.causes.map((code) => ({ code, meaning: "" }));
  const margins = explanation?.margins ?? [];
  const p = record.scores.p_ok ?? {};
  return section(
    "Why there",
    causeList(causes),
    Object.keys(p).length ? h("div", { class: "stack" }, h("p", { class: "note" }, "The classifier's probability that a tier's answer is as good as the frontier's, and the threshold of the policy:"), TIERS.filter((tier) => known(p[tier]) && tier !== "frontier").map((tier) => meter(tier, p[tier], margins.find((m) => m.tier === tier)?.threshold))) : h("p", { class: "note" }, "It was not classified: something else had settled the tier."),
  );
}

/** What each tier would have cost for the same tokens, beside what was paid. `prices` are [tier, dollars]. */
export function priceBars(prices, paid) {
  const most = Math.max(...prices.map(([, usd]) => usd ?? 0), paid ?? 0, 1e-12);
  const line = (name, usd, kind) => h("div", {}, name, h("b", {}, money(usd)), bar((usd ?? 0) / most, kind));
  return h("div", { class: "versus" }, paid === undefined ? null : line("paid, the router's own costs included", paid, "soft"), prices.map(([tier, usd]) => line(h("span", {}, "at ", tierChip(tier)), usd, tier)));
}

function costs({ cost, tokens }) {
  const prices = TIERS.filter((tier) => cost.alternatives && tier in cost.alternatives).map((tier) => [tier, cost.alternatives[tier]]);
  const spent = facts([
    ["first attempt", money(cost.first_attempt)],
    ["escalation", cost.escalation ? money(cost.escalation) : null],
    ["deciding and judging", cost.classifier ? money(cost.classifier) : null],
    ["tokens", `${number(tokens.input)} in${tokens.cached_input ? `, of them ${number(tokens.cached_input)} from the provider's cache` : ""}; ${number(tokens.output)} out${tokens.reasoning ? `, of them ${number(tokens.reasoning)} reasoning` : ""}`],
  ]);
  return section("What it cost", prices.length ? [h("p", { class: "note" }, "The delivered answer's tokens at each tier's first deployment."), priceBars(prices, cost.total)] : null, spent);
}

function cache({ cache: found }, explanation) {
  const told = { hit: "Answered from it", miss: "Nothing stored could be served", bypass: "Passed by" }[found.status] ?? found.status;
  const meaning = explanation?.aftermath?.cache?.meaning;
  return section("Cache", h("p", {}, chip(found.status, found.status === "hit" ? "hit" : ""), ` ${told}${meaning ? `: ${meaning}` : ""}.`), facts([
    ["kind", found.kind ? { exact: "the same text", semantic: "the same meaning" }[found.kind] ?? found.kind : null],
    ["reason", found.guard ? words(found.guard) : null],
    ["similarity", known(found.similarity) ? score(found.similarity, 3) : null],
    ["P(same question)", known(found.p_same) ? score(found.p_same, 3) : null],
    ["age of the answer", known(found.age_s) ? age(found.age_s) : null],
    ["entry", found.entry_id ? h("code", {}, found.entry_id) : null],
  ]));
}

const VERDICTS = { trust: "trusted", review: "delivered and marked for review", escalate: "replaced by a better model's answer", bypass: "not judged", none: "not judged: nothing could be measured" };

function gate({ gate: judged }, explanation) {
  if (judged.verdict === "bypass" && judged.confidence === null) return section("Confidence gate", h("p", {}, "The answer was not judged."));
  return section("Confidence gate", h("p", {}, chip(judged.verdict, { trust: "good", review: "warn", escalate: "bad" }[judged.verdict] ?? ""), ` ${explanation?.aftermath?.gate?.meaning ?? VERDICTS[judged.verdict] ?? ""}.`), facts([
    ["P(answer is good)", known(judged.confidence) ? percent(judged.confidence) : null],
    ["signals", Object.entries(judged.signals ?? {}).map(([name, value]) => `${words(name)} ${score(value)}`).join(", ")],
    ["held back for", known(judged.held_ms) ? ms(judged.held_ms) : null],
    ["how", judged.mode],
  ]));
}

const PARTS = new Set(["total", "overhead", "ttft"]);

function timeline({ latency_ms: took }) {
  if (!known(took.total)) return null;
  const stages = Object.entries(took).filter(([name]) => !PARTS.has(name));
  const before = took.overhead ?? stages.reduce((sum, [, length]) => sum + length, 0);
  let at = 0;
  const rows = stages.map(([name, length]) => { const row = [words(name), at, length]; at += length; return row; });
  if (before - at > 0.5) rows.push(["other work before the call", at, before - at]);
  rows.push(["model and delivery", before, Math.max(0, took.total - before)]);
  return section(
    "Where the time went",
    h("dl", { class: "timeline" }, rows.map(([name, start, length]) => {
      const piece = h("span", {});
      piece.style.left = `${Math.min(99, (100 * start) / took.total)}%`;
      piece.style.width = `${Math.min(100, (100 * length) / took.total)}%`;
      return [h("dt", {}, name), h("dd", { class: "track", "aria-hidden": "true" }, piece), h("dd", { class: "num" }, ms(length))];
    })),
    h("p", { class: "note" }, `${ms(took.overhead)} until the call began${known(took.ttft) ? `, first token after ${ms(took.ttft)}` : ""}, ${ms(took.total)} in all.`),
  );
}

function circumstances(record, explanation) {
  const { tenant, domain, scores, experiment } = record;
  return section("Circumstances", facts([
    ["time", moment(record.time)],
    ["asked by", [tenant.team_alias ?? tenant.team, tenant.key_alias, tenant.end_user].filter(Boolean).join(" · ")],
    ["call", `${record.entry_model}, ${record.call_type}${record.stream ? ", streamed" : ""}`],
    ["domain", domain.name ? `${domain.name} by ${domain.rule ?? "the model"}${known(domain.score) ? `, ${percent(domain.score)}` : ""}` : "none"],
    ["intent", scores.intent ? words(scores.intent) : null],
    ["complexity", known(scores.complexity) ? `${score(scores.complexity, 1)} of 10` : null],
    ["unlike the training data", known(scores.ood) ? `${score(scores.ood)}${known(explanation?.ood_limit) ? `, limit ${explanation.ood_limit}` : ""}` : null],
    ["deployment", record.deployment ? h("code", {}, record.deployment) : null],
    ["policy", h("code", {}, record.policy_version)],
    ["experiment", experiment.name ? `${experiment.name}${experiment.arm ? `, arm ${experiment.arm}` : ""}` : null],
    ["feedback", known(record.outcome.feedback) ? score(record.outcome.feedback, 1) : null],
    ["remarks", explanation?.remarks?.filter((line) => !/^(time|tenant|model group|cache|cost|outcome):/.test(line)).join("; ")],
  ]));
}

function text(record) {
  if (record.text === null || record.text === undefined) return null;
  return section("Prompt", h("pre", { class: "text", tabindex: "0" }, record.text));
}
