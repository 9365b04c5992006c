// The health of the worker that answered: what is wrong, and how to mend it.

import { h } from "./dom.js";
import { moment, number } from "./format.js";
import { cardWith, chip, facts } from "./parts.js";

/** What is wrong with a part, and its mend; an empty list is health. */
export function ailments(health) {
  const { policy, encoder, vllm, cache, callers } = health;
  const found = [];
  for (const finding of policy.findings ?? []) found.push([`The policy on disk is refused: ${finding}`, "Mend that line and save; it applies within two seconds. Until then the last good policy is in force."]);
  if (encoder.needed && encoder.state !== "ready") found.push([`The sentence encoder is ${encoder.state}${encoder.error ? `: ${encoder.error}` : ""}`, encoder.state === "unavailable" ? "Fetch it once with tier-router encoder fetch, and restart." : "Wait a moment: prompts that need it go to the frontier meanwhile."]);
  if (vllm?.needed && vllm.state !== "ready") found.push([`The vLLM classifier is ${vllm.state}${vllm.error ? `: ${vllm.error}` : ""}`, "Start it, or set classifier.kind: embedding. Meanwhile the embedding decides."]);
  if (cache?.error) found.push([`The cache is out of order: ${cache.error}`, "See that its Redis is reachable from the proxy. Requests go on without it."]);
  const malformed = callers?.malformed ?? [];
  const count = Array.isArray(malformed) ? malformed.length : Object.keys(malformed).length;
  if (count) found.push([`${number(count)} ${count === 1 ? "key or team has" : "keys or teams have"} malformed router settings`, "They get the narrowest reading. tier-router keys audit names the fields."]);
  return found;
}

export function healthCard(health) {
  if (!health) return null;
  const wrong = ailments(health);
  const well = health.status === "ok" && !wrong.length;
  return cardWith(
    "Is it well?", chip(well ? "well" : health.status === "ok" ? "see below" : "degraded", well ? "good" : "warn"),
    wrong.length ? h("ul", { class: "findings" }, wrong.map(([what, mend]) => h("li", {}, h("strong", {}, what), h("p", { class: "note" }, mend)))) : null,
    facts([
      ["policy", [h("code", {}, health.policy.version), `, mode ${health.policy.mode}, since ${moment(health.policy.loaded_at)}`]],
      ["encoder", health.encoder.needed ? health.encoder.state : "not needed"],
      ["classifier at vLLM", health.vllm?.needed ? health.vllm.state : "not used"],
      ["cache", health.cache?.error ? "out of order" : health.cache?.enabled === false ? "off" : "in order"],
      ["under way", number(health.requests_under_way)],
    ]),
    h("p", { class: "note" }, "Of the worker that answered; each has its own."),
  );
}
