// How well the classifier and the gate know what they say, and whether traffic has moved away from what they know.

import { get } from "../api.js";
import { curves, histogram, reliability } from "../charts.js";
import { h } from "../dom.js";
import { known, moment, number, percent, plural, score, short, words } from "../format.js";
import { SPANS, card, cardWith, chip, empty, facts, outdated, region, segmented, select, table } from "../parts.js";

const SHIFT = 0.1, LARGE_SHIFT = 0.25;
let chosen = "7d";

export function page() {
  const { element, show } = region("the classifier and the gate");
  const load = () => show(() => get("api/classifier", { since: chosen }), draw);
  load();
  return { lead: "Whether the probabilities are honest, and whether traffic still looks like what they were fitted on.", tools: segmented("Span of time", SPANS, chosen, (span) => { chosen = span; load(); }), element };
}

function draw({ kind, head, gate, reliability: seen, drift, period, generated_at }) {
  return h("div", { class: "stack" }, outdated({ generated_at }),
    h("div", { class: "grid-2" }, scores(seen.scores), confidence(seen.confidence, gate)),
    driftCard(drift),
    h("div", { class: "grid-2" }, headCard(kind, head), gateCard(gate)),
    h("p", { class: "note" }, `Traffic of ${moment(period?.start)} to ${moment(period?.end)}.`));
}

const labelledOf = (bins) => bins.reduce((sum, bin) => sum + bin.labelled, 0);

function honesty(title, bins, xName) {
  const rows = bins.filter((bin) => bin.labelled);
  return reliability({
    title, xName, yName: "share good",
    points: rows.map((bin) => ({ x: bin.mean_confidence ?? (bin.low + bin.high) / 2, y: bin.good_share, n: bin.labelled, low: bin.interval?.[0], high: bin.interval?.[1] })),
    columns: [[xName, (bin) => `${bin.low} to ${bin.high}`], ["labelled", (bin) => number(bin.labelled), "num"], ["good", (bin) => percent(bin.good_share), "num"], ["95 % interval", (bin) => (bin.interval ? `${percent(bin.interval[0])} to ${percent(bin.interval[1])}` : "–"), "num"]], rows,
  });
}

function onTraffic(title, bins, xName, what) {
  const labelled = labelledOf(bins ?? []);
  return [
    bins?.some((bin) => bin.n) ? histogram({ title: `Distribution of ${xName}`, bins, show: short, name: xName }) : h("p", { class: "note" }, `No request has ${what} in this span.`),
    h("h3", {}, "Was it honest? Labelled answers of your traffic"),
    labelled ? honesty(title, bins, xName) : h("p", { class: "note" }, "No labelled answer in this span. Feedback at POST /router/feedback draws this curve: points on the diagonal mean that the number can be believed."),
    labelled ? h("p", { class: "note" }, `${plural(labelled, "labelled answer")}; a larger point is more of them, its line a 95 % interval.`) : null,
  ];
}

const scores = (bins) => card("The classifier's scores", onTraffic("Reliability of p_ok for the simple tier", bins, "p_ok of the simple tier", "a score"));
const confidence = (bins, gate) => cardWith("The gate's confidence", gate.error ? chip("refused", "bad") : h("span", { class: "note" }, `replaces below ${score(gate.escalate_below)}, trusts from ${score(gate.trust_from)}`), onTraffic("Reliability of the gate's confidence", bins, "confidence", "a judged answer"));

function driftCard(drift) {
  const rows = Object.entries(drift ?? {}).filter(([, one]) => one && typeof one === "object" && "psi" in one);
  const verdict = (psi) => (!known(psi) ? chip("not enough yet") : psi < SHIFT ? chip("as before", "good") : psi < LARGE_SHIFT ? chip("has shifted", "warn") : chip("a large shift", "bad"));
  const sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);
  const shares = (counts) => { const all = sum(counts); return all ? Object.entries(counts).map(([name, n]) => `${words(name)} ${percent(n / all)}`).join(", ") : "–"; };
  const seen = (one) => one.shipped || one.reference_from === "artifact" ? sum(one.recent) : Math.min(sum(one.reference), one.window) + sum(one.recent);
  return card("Has traffic moved?", table("Drift of this worker's traffic", [
    ["what", ([name]) => words(name)], ["verdict", ([, one]) => verdict(one.psi)], ["index", ([, one]) => score(one.psi, 3), "num"],
    ["seen", ([, one]) => number(seen(one)), "num"], ["compared with", ([, one]) => (one.reference_from === "artifact" ? "what the classifier was fitted on" : `this worker's first ${number(one.window)} requests`)], ["reference", ([, one]) => shares(one.reference)], ["recent", ([, one]) => shares(one.recent)],
  ], rows), h("p", { class: "note" }, `Population stability index of the last ${number(rows[0]?.[1].window ?? 500)} requests: below ${SHIFT} is noise, from ${LARGE_SHIFT} on the classifier should be trained anew.`));
}

function headCard(kind, head) {
  if (!head) return card("The classifier", facts([["kind", kind]]), h("p", { class: "note" }, "This kind has no trained head."));
  const points = head.reliability_simple?.after_out_of_source ?? [];
  const summary = head.leave_one_source_out?.summary ?? {};
  return cardWith("The classifier", chip(head.version ?? kind),
    facts([["kind", kind], ["encoder", head.encoder], ["fitted on", Object.entries(head.sources ?? {}).map(([name, source]) => `${name}${known(source?.rows) ? `, ${number(source.rows)} rows` : ""}`).join("; ")], ["target", head.target],
      ["gap recovered on left-out sources", known(summary.pooled_apgr) ? `${score(summary.pooled_apgr, 3)} (chance 0.5), worst source ${score(summary.worst_apgr, 3)}` : null], ["calibration error there", known(summary.mean_ece) ? score(summary.mean_ece, 3) : null]]),
    points.length ? [h("h3", {}, "When it was made: sources it had not seen"), reliability({
      title: "Reliability of the classifier on left-out sources", xName: "p_ok of the simple tier", yName: "share good", points: points.map((p) => ({ x: p.predicted, y: p.observed, n: p.rows })),
      columns: [["predicted", (p) => score(p.predicted, 3)], ["observed", (p) => score(p.observed, 3), "num"], ["rows", (p) => number(p.rows), "num"]], rows: points,
    })] : null);
}

function gateCard(gate) {
  if (gate.error) return card("The gate's calibration", h("p", { class: "notice bad" }, gate.error));
  const all = gate.calibrators ?? [];
  if (!all.length) return card("The gate's calibration", empty("No calibration", "Fit one with tier-router fit-gate."));
  const name = (one) => [{ "*": "any signals", words: "open text", verbal: "own words", "*+opinion": "signals and a second opinion", opinion: "a second opinion" }[one.signals] ?? one.signals, one.model, one.segment].filter(Boolean).join(", ");
  const place = h("div", {});
  const pick = (one) => {
    const points = one.evidence?.reliability ?? [];
    place.replaceChildren(h("div", { class: "stack" },
      curves({ title: `Calibration for ${name(one)}`, xName: "score, log odds", yName: "confidence", from: -6, to: 6, lines: [{ name: "calibrated", line: "l-accent", points: one.curve.map((p) => [p.score, p.confidence]) }], columns: [["score", (p) => p.score, "num"], ["confidence", (p) => score(p.confidence, 3), "num"]], rows: one.curve }),
      points.length ? reliability({ title: `Reliability when fitted, for ${name(one)}`, xName: "predicted", yName: "observed", points: points.map((p) => ({ x: p.predicted, y: p.observed, n: p.rows })), columns: [["predicted", (p) => score(p.predicted, 3)], ["observed", (p) => score(p.observed, 3), "num"], ["rows", (p) => number(p.rows), "num"]], rows: points }) : null,
      h("p", { class: "note" }, one.note ?? "", one.evidence ? ` Fitted on ${plural(one.evidence.rows, "row")}, AUROC ${score(one.evidence.auroc, 3)}.` : "")));
  };
  const chooser = select(all.map((one, at) => [String(at), name(one)]), "0");
  chooser.setAttribute("aria-label", "Which calibration");
  chooser.addEventListener("change", () => pick(all[Number(chooser.value)]));
  pick(all[0]);
  return cardWith("The gate's calibration", chip(gate.version), all.length > 1 ? chooser : null, place, h("details", { class: "table-of" }, h("summary", {}, "What it was fitted on"), facts((gate.data ?? []).map((one) => [one.name, `${plural(one.rows, "row")}. ${one.note ?? ""}`]))));
}
