// Experiments: their arms beside each other, as callers' settings name them.

import { get } from "../api.js";
import { h } from "../dom.js";
import { money, moment, ms, number, percent, score, share } from "../format.js";
import { SPANS, card, empty, outdated, region, segmented, table } from "../parts.js";

let chosen = "7d";

export function page() {
  const { element, show } = region("the experiments");
  const load = () => show(() => get("api/experiments", { since: chosen }), draw);
  load();
  return { lead: "Requests of keys and teams whose metadata.router names an experiment, side by side.", tools: segmented("Span of time", SPANS, chosen, (span) => { chosen = span; load(); }), element };
}

function draw({ experiments, period, generated_at }) {
  const arms = experiments.filter((one) => one.name);
  if (!arms.length) {
    return card(null, empty("No experiment in this span", "Give a key or a team metadata: {\"router\": {\"experiment\": \"name\"}}; its requests are then compared with the others' here."));
  }
  return card("Side by side", outdated({ generated_at }), table("Experiments", [
    ["experiment", (row) => (row.arm ? `${row.name}, ${row.arm}` : row.name)], ["requests", (row) => number(row.requests), "num"], ["cost", (row) => money(row.cost), "num"], ["a request", (row) => money(share(row.cost, row.requests)), "num"],
    ["saved", (row) => money(row.saved), "num"], ["simple", (row) => percent(share(row.simple, row.requests)), "num"], ["medium", (row) => percent(share(row.medium, row.requests)), "num"], ["frontier", (row) => percent(share(row.frontier, row.requests)), "num"],
    ["escalated", (row) => number(row.escalated), "num"], ["errors", (row) => number(row.errors), "num"], ["median", (row) => ms(row.p50), "num"], ["labelled", (row) => number(row.labelled), "num"], ["feedback", (row) => score(row.feedback), "num"],
  ], arms), h("p", { class: "note" }, `${moment(period?.start)} to ${moment(period?.end)}. Callers were not dealt out at random unless you did so: a difference may be theirs.`));
}
