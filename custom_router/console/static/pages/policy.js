// The policy in force, what was before, and an edit tried before it is saved. Nothing here changes it: its file does.

import { get, post } from "../api.js";
import { announce, h, replace } from "../dom.js";
import { moment, money, number, percent, plural, share } from "../format.js";
import { TIERS, card, cardWith, chip, field, loading, problem, region, segmented, select, table, tierChip } from "../parts.js";
import { openReceipt } from "../receipt.js";

export function page() {
  const { element, show } = region("the policy");
  show(() => get("api/policy"), draw);
  return { lead: "What is in force, who loaded what when, and what an edit would have done to the last requests.", element };
}

function draw(policy) {
  const place = h("div", {});
  const views = { text: () => current(policy), edit: () => edit(policy), history: () => history(policy) };
  const built = {};
  const pick = (name) => place.replaceChildren((built[name] ??= views[name]()));
  pick("text");
  return h("div", { class: "stack" }, state(policy), h("div", {}, segmented("What to show", [["text", "In force"], ["edit", "Try an edit"], ["history", "History"]], "text", pick)), place);
}

const where = (finding) => `${finding.file ? finding.file.split("/").at(-1) : "policy"}${finding.line ? `, line ${finding.line}` : ""}`;

function findings(list, jump) {
  return h("ul", { class: "findings" }, list.map((finding) => (typeof finding === "string" ? h("li", {}, finding) : h(
    "li", {}, jump && finding.line ? h("button", { type: "button", class: "link", on: { click: () => jump(finding.line) } }, where(finding)) : h("strong", {}, where(finding)),
    finding.path ? [" ", h("code", {}, finding.path)] : null, h("p", {}, finding.message),
  ))));
}

function state(policy) {
  return cardWith(
    h("span", {}, "Version ", h("code", {}, policy.version)), policy.mode ? chip(`mode ${policy.mode}`, policy.mode === "enforce" ? "good" : "warn") : null,
    h("p", { class: "note" }, `In force since ${moment(policy.loaded_at)}, from `, h("code", {}, policy.source), policy.overrides ? [" with overrides from ", h("code", {}, policy.overrides.path)] : null, ". A saved edit applies within two seconds; a mistake is refused."),
    policy.findings.length ? h("div", { class: "notice bad" }, h("strong", {}, "The file on disk is refused. This version stays until it is mended:"), findings(policy.findings)) : null,
  );
}

/** Text with line numbers; `marked` lines stand out. */
function code(text, label, marked = new Set()) {
  return h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": label }, text.replace(/\n$/, "").split("\n").map((line, at) => h("span", { class: marked.has(at + 1) ? "at-fault" : null }, h("span", { class: "n", "aria-hidden": "true" }, at + 1), line)));
}

function current(policy) {
  return h("div", { class: "stack" }, card("routing_policy.yaml", code(policy.text, "The policy in force")), policy.overrides ? card("Overrides", code(policy.overrides.text, "The overrides in force")) : null);
}

function edit(policy) {
  const area = h("textarea", { class: "editor", rows: "24", spellcheck: "false", autocomplete: "off", value: policy.text });
  const overrides = policy.overrides ? h("textarea", { class: "editor", rows: "10", spellcheck: "false", value: policy.overrides.text }) : null;
  const verdict = h("div", {});
  const jump = (line) => {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    area.scrollTop = Math.max(0, (line - 6) * (area.scrollHeight / lines.length));
  };
  const tryIt = h("button", { type: "button", class: "primary" }, "See what it would do");
  const back = h("button", { type: "button", on: { click: () => { area.value = policy.text; replace(verdict); } } }, "Back to the one in force");
  const run = async () => {
    tryIt.disabled = true;
    replace(verdict, loading("what it would do"));
    try {
      const body = { text: area.value };
      if (overrides) body.overrides = overrides.value;
      const told = await post("api/policy/check", body);
      replace(verdict, told.ok ? effect(told.effect) : h("div", { class: "card" }, h("h2", {}, `Refused: ${plural(told.findings.length, "finding")}`), findings(told.findings, jump)));
      announce(told.ok ? "The edit is valid" : `The edit is refused, ${plural(told.findings.length, "finding")}`);
    } catch (error) {
      if (!error.refused) replace(verdict, problem(error, run));
    } finally {
      tryIt.disabled = false;
    }
  };
  tryIt.addEventListener("click", run);
  return h("div", { class: "grid-main" },
    h("div", { class: "card stack" }, field("Change it here, or paste a file", area, "Only tried, never applied: save the file itself to apply it."), overrides ? field("Overrides", overrides) : null, h("div", { class: "buttons" }, tryIt, back)),
    verdict);
}

function effect(seen) {
  if (!seen) return card("Valid", h("p", {}, "It would be loaded. There are no requests to try it on yet."));
  const change = seen.cost_after - seen.cost_before;
  const kinds = Object.entries(seen.from_to);
  const domains = Object.entries(seen.domains ?? {});
  return h("div", { class: "stack" },
    card(null, h("p", { class: "notice good" }, h("strong", {}, "Valid."), " It would be loaded."),
      h("div", { class: "receipt-facts" }, [["requests tried", number(seen.requests)], ["would move", `${number(seen.moved)} · ${percent(share(seen.moved, seen.requests) ?? 0)}`], ["cost", `${money(seen.cost_before)} → ${money(seen.cost_after)}`], ["difference", `${change > 0 ? "+" : ""}${money(change)}`]].map(([name, value]) => h("div", {}, h("span", { class: "label" }, name), h("b", {}, value)))),
      kinds.length ? h("ul", { class: "causes" }, kinds.map(([name, n]) => {
        const [from, to] = name.split("→");
        return h("li", {}, h("span", {}, TIERS.includes(from) ? tierChip(from) : from, " → ", TIERS.includes(to) ? tierChip(to) : to, ` ${plural(n, "request")}`));
      })) : h("p", {}, "Every one of them would have gone where it went."),
      domains.length ? table("Requests of each domain", [["domain", ([name]) => name], ["before", ([, d]) => number(d.before ?? d), "num"], ["after", ([, d]) => number(d.after ?? d), "num"]], domains) : null),
    seen.examples?.length ? card("Requests that would move", table("Examples", [["request", (one) => h("button", { type: "button", class: "link mono", "aria-haspopup": "dialog", on: { click: () => openReceipt(one.request_id) } }, one.request_id.slice(0, 10))], ["from", (one) => tierChip(one.from)], ["to", (one) => tierChip(one.to)], ["why", (one) => one.causes.join(", ")]], seen.examples)) : null,
    seen.notes?.length ? h("ul", { class: "note" }, seen.notes.map((line) => h("li", {}, line))) : null);
}

function history(policy) {
  const all = policy.history ?? [];
  if (!all.length) return card("History", h("p", { class: "note" }, policy.history_error ?? "No version has been noted yet."));
  const options = all.map((one) => [one.version, `${one.version}, ${moment(one.loaded_at)}`]);
  const from = select(options, (all.find((one) => one.version !== policy.version) ?? all[0]).version);
  const to = select([["in_force", "the one in force"], ...options], "in_force");
  const shown = h("div", {});
  const compare = async () => {
    replace(shown, loading("the difference"));
    try {
      const { diff } = await get("api/policy/diff", { from: from.value, to: to.value });
      replace(shown, diff.trim() ? unified(diff) : h("p", { class: "notice" }, "These two are the same."));
    } catch (error) {
      if (!error.refused) replace(shown, problem(error, compare));
    }
  };
  from.addEventListener("change", compare);
  to.addEventListener("change", compare);
  compare();
  const loadings = (one) => {
    const by = [one.by].flat().filter(Boolean);
    const names = [...new Set(by.map((loading_) => (typeof loading_ === "string" ? loading_ : [loading_.worker, loading_.owner ? `file of ${loading_.owner}` : null].filter(Boolean).join(", "))))];
    return names.length > 3 ? `${names.slice(0, 3).join("; ")} and ${names.length - 3} more` : names.join("; ") || "–";
  };
  return h("div", { class: "stack" },
    card("Versions", table("Versions that were loaded, latest first", [["version", (one) => [h("code", {}, one.version), one.version === policy.version ? [" ", chip("in force", "good")] : null]], ["loaded", (one) => moment(one.loaded_at)], ["by", loadings], ["lines", (one) => number(one.text.split("\n").length), "num"]], all)),
    card("Differences", h("div", { class: "grid-2" }, field("From", from), field("To", to)), shown));
}

function unified(diff) {
  const kind = (line) => (line.startsWith("@@") || line.startsWith("---") || line.startsWith("+++") ? "where" : line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : null);
  return h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": "Differences" }, diff.replace(/\n$/, "").split("\n").map((line) => h("span", { class: kind(line) }, line)));
}
