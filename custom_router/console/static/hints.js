// What the figures suggest to change. Pure: the report and the health in, hints out, by the rules that docs/console.md
// lists. `level` is bad (mend it now), warn (worth an hour), good (nothing to do) or note.

import { money, number, percent, plural, share, words } from "./format.js";

export const RULES = {
  frontier_share: 0.25,
  escalation_rate: 0.05,
  escalation_alarm: 0.25,
  wrong_hits: 0.03,
  failures: 0.01,
  unmeasured: 0.3,
  labels_for_a_bound: 150,
  enough: 30,
};

const LATE = ["encoder_unavailable", "encoder_busy", "encoder_timeout", "encoder_breaker_open", "classifier_error", "rules_timeout", "engine_error"];
const STORE = ["cache_timeout", "cache_unavailable", "cache_breaker_open", "cache_error"];

export function hints(report, health) {
  const found = [...wellness(health), ...traffic(report)];
  if (found.every((one) => one.level === "note" || one.level === "good")) {
    found.unshift({ level: "good", title: "Nothing calls for a change", text: "No rule of this page is met. Look again after a change of the policy or of your traffic." });
  }
  const order = ["bad", "warn", "good", "note"];
  return found.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
}

function* wellness(health) {
  if (!health) return;
  for (const finding of health.policy?.findings ?? []) {
    yield { level: "bad", title: "The policy on disk is refused; the last good one is in force", text: finding, page: "policy" };
  }
  if (health.policy?.mode === "shadow") yield { level: "note", title: "Shadow mode: nothing is saved yet", text: "Decisions are recorded and the default tier answers. Set mode: enforce in the policy once the figures convince you.", page: "policy" };
  if (health.policy?.mode === "off") yield { level: "warn", title: "The router is off", text: "The default tier answers everything. Set mode: shadow or enforce in the policy.", page: "policy" };
}

function* traffic(report) {
  const { requests, cost, escalation, cache, quality, causes, tiers } = report;
  if (!requests) {
    yield { level: "note", title: "No requests in this span", text: "Point an OpenAI client at this proxy and ask for the model auto, or try one in the playground.", page: "playground" };
    return;
  }
  const of = (names) => names.reduce((sum, name) => sum + (causes[name] ?? 0), 0);
  const enough = requests >= RULES.enough;

  const late = of(LATE);
  if (late / requests > RULES.failures) {
    const top = LATE.filter((name) => causes[name]).sort((a, b) => causes[b] - causes[a])[0];
    yield { level: "bad", title: `${plural(late, "request")} went up because the router was late or broken`, text: `Mostly ${words(top)}. Add workers, or raise latency_budget_ms in the policy; the health below says what is down.`, page: "live", query: `cause=${top}` };
  }
  const store = of(STORE);
  if (store / requests > RULES.failures) yield { level: "bad", title: `The cache's store failed for ${plural(store, "request")}`, text: "They went on without it. See that Redis answers within cache.redis.deadline_ms.", page: "cache" };
  if (report.errors / requests > RULES.failures) yield { level: "bad", title: `${percent(report.errors / requests)} of requests failed`, text: "Every deployment of the tier refused. The deployments below say which; a second provider a tier helps.", page: "live", query: "status=error" };

  if (enough && escalation.judged && escalation.rate > RULES.escalation_rate) {
    const worst = worstTier(escalation.by_tier);
    const alarm = escalation.rate > RULES.escalation_alarm;
    yield {
      level: alarm ? "bad" : "warn",
      title: `${percent(escalation.rate)} of judged answers were replaced (aim: below ${percent(RULES.escalation_rate)})`,
      text: `Each is paid for twice. Most came from the ${worst} tier: raise its threshold in the policy, or train the classifier on your own traffic (tier-router train).`, page: "live", query: "escalated=true",
    };
  }
  const frontier = tiers.frontier?.share ?? 0;
  if (enough && frontier > RULES.frontier_share) {
    const why = frontierCause(causes);
    yield { level: "warn", title: `${percent(frontier)} of answers came from the frontier (aim: below ${percent(RULES.frontier_share)})`, text: why, page: "live", query: "tier=frontier" };
  }
  if (enough && cost.compared >= RULES.enough && cost.saved_shuffled !== null && cost.saved_shuffled < 0) {
    yield { level: "warn", title: "The same mix of tiers dealt out at random would have cost less", text: `By ${money(-cost.saved_shuffled)}. That is no fault where the answers are better for it, which only labelled answers can tell: collect feedback, and look whether quality is worth the difference.`, page: "classifier" };
  }
  if (cache.hit >= 20 && cache.estimated_wrong / cache.hit > RULES.wrong_hits) yield { level: "warn", title: `${percent(cache.estimated_wrong / cache.hit)} of hits may answer another question`, text: "Lower cache.max_error in the policy, or set cache.semantic: false.", page: "cache" };
  if (cache.labelled_wrong > 0) yield { level: "bad", title: `${plural(cache.labelled_wrong, "hit was", "hits were")} marked wrong by ${cache.labelled_wrong === 1 ? "a caller" : "callers"}`, text: "Feedback has dropped those entries. Look at the question pairs, and tighten the cache if they are alike.", page: "live", query: "cache=hit" };
  const unmeasured = share(escalation.verdicts?.none ?? 0, escalation.judged);
  if (enough && unmeasured > RULES.unmeasured) yield { level: "warn", title: `The gate could measure nothing on ${percent(unmeasured)} of the answers it looked at`, text: "Use deployments that give log probabilities, or add self_check to gate.signals in the policy." };
  if (cost.unpriced) yield { level: "warn", title: `${plural(cost.unpriced, "request")} without a price`, text: "They are in no sum of money. Put input_cost_per_token and output_cost_per_token on their deployments." };
  if (enough && quality.labelled < RULES.labels_for_a_bound) {
    yield { level: "note", title: `Quality is known for ${number(quality.labelled)} of ${plural(requests, "request")}`, text: `Send a score to POST /router/feedback with the x-router-request-id of an answer. From ${RULES.labels_for_a_bound} labels on, thresholds can be set from evidence (tier-router fit-gate).`, page: "classifier" };
  }
  const passed = share(cache.bypass, requests);
  if (enough && passed > 0.5) yield { level: "note", title: `The cache was passed by for ${percent(passed)} of requests`, text: `Mostly: ${topOf(cache.guards)}. If those could share answers, say so in the policy or on the key.`, page: "cache" };
  if (report.read?.unreadable) yield { level: "warn", title: `${plural(report.read.unreadable, "line")} of the record files cannot be read`, text: "They are in no figure here. See that nothing else writes to the records' folder." };
}

function worstTier(byTier) {
  return Object.entries(byTier ?? {}).sort(([, a], [, b]) => b.escalated - a.escalated)[0]?.[0] ?? "cheap";
}

function topOf(counts) {
  const [name] = Object.entries(counts ?? {}).sort(([, a], [, b]) => b - a)[0] ?? ["no reason given"];
  return words(name);
}

function frontierCause(causes) {
  const domains = (causes.domain_rule ?? 0) + (causes.domain_model ?? 0) + (causes.domain_header ?? 0) + (causes.domain_caller ?? 0);
  const unlike = causes.out_of_distribution ?? 0;
  const score = causes.score ?? 0;
  if (domains >= unlike && domains >= score / 2) return `${plural(domains, "request")} carried a domain. If plain traffic is among them, narrow that domain's terms or raise its threshold.`;
  if (unlike > score / 2) return `${plural(unlike, "prompt")} were unlike the classifier's training data. Train it on your own traffic (tier-router train).`;
  return "The classifier was not sure enough for a cheaper tier. Lower the tiers' thresholds with the gate on, or train it on your own traffic.";
}
