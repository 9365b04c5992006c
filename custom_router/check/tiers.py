"""Rules about what serves each tier: groups, second providers of the same tier, timeouts, ageing models, abilities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.subject import Listed, Subject
from custom_router.deployments import capabilities
from custom_router.tiers import TIERS, Tier

DEPRECATION_NOTICE_DAYS = 60


def groups_exist(subject: Subject) -> Iterator[CheckFinding]:
    """Every tier of the policy is a model group of the configuration."""
    for tier in TIERS:
        if not subject.members(tier):
            group = subject.group(tier)
            yield subject.policy_finding(
                Severity.ERROR,
                ("tiers", tier.value, "model"),
                f"{subject.config.file} has no model group {group!r}",
                f"add a deployment with `model_name: {group}`, or name one of {sorted(subject.groups)}",
            )


def second_provider(subject: Subject) -> Iterator[CheckFinding]:
    """Every tier fails over, by `order`, to a deployment that does not go down with the first."""
    for tier in TIERS:
        members = subject.members(tier)
        if not members:
            continue
        first = members[0].deployment.order
        firsts = {item.supplier for item in members if item.deployment.order == first}
        later = {item.supplier for item in members if item.deployment.order > first}
        if later - firsts or (later and len(firsts) > 1):
            continue
        group = subject.group(tier)
        if len(firsts | later) == 1:
            message = f"{group} has one provider only ({next(iter(firsts))}): its outage takes the whole tier down"
        else:
            message = f"all deployments of {group} have `order: {first}`: LiteLLM spreads over them, none is a fallback"
        yield subject.config.finding(
            Severity.ERROR,
            members[-1].at("litellm_params"),
            message,
            f"give {group} a deployment at another provider with `order: {first + 1}`",
        )


def of_one_tier(subject: Subject) -> Iterator[CheckFinding]:
    """No model serves two tiers: failing over to it would leave the tier without a cause."""
    seen: dict[tuple[str, str], Tier] = {}
    for tier, item in subject.in_tiers():
        other = seen.setdefault((item.deployment.model, item.supplier), tier)
        if other is not tier:
            yield subject.config.finding(
                Severity.ERROR,
                item.at("litellm_params", "model"),
                f"{item.deployment.model} serves {other.value} too: where one of them fails over to it, "
                f"the record says {tier.value} and the answer is {other.value}'s, or the other way round",
                f"give {subject.group(tier)} a model of its own",
            )


def timeouts(subject: Subject) -> Iterator[CheckFinding]:
    """Every deployment of a tier has a timeout of its own, or a hanging provider is waited for instead of left."""
    for _, item in subject.in_tiers():
        value = item.deployment.params.get("timeout")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            problem = "has no timeout" if value is None else "needs a timeout in seconds above 0"
            yield subject.config.finding(
                Severity.ERROR,
                item.at("litellm_params", "timeout"),
                f"{item.deployment.model} {problem}: a provider that hangs would not be failed over",
                "add `timeout: 60` to its litellm_params",
            )


def deprecations(subject: Subject) -> Iterator[CheckFinding]:
    """No model is past the date at which its provider withdraws it, or close to it."""
    for item in subject.listed:
        withdrawn = _date(item.deployment.deprecation_date)
        if withdrawn is None:
            continue
        days = (withdrawn - subject.outside.today).days
        at = item.at("litellm_params", "model")
        model, mend = item.deployment.model, "choose a current model"
        if days < 0:
            yield subject.config.finding(Severity.ERROR, at, f"{model} was withdrawn on {withdrawn}", mend)
        elif days <= DEPRECATION_NOTICE_DAYS:
            message = f"{model} will be withdrawn on {withdrawn}, in {days} days"
            yield subject.config.finding(Severity.WARNING, at, message, mend)


def frontier_sees(subject: Subject) -> Iterator[CheckFinding]:
    """Images can always go up: the frontier takes them if any cheaper tier does."""
    known = capabilities([item.deployment for item in subject.listed], subject.policy.tiers)
    frontier = known.get(Tier.FRONTIER)
    seeing = [tier.value for tier in TIERS[:-1] if tier in known and known[tier].vision]
    if frontier is None or frontier.vision or not seeing:
        return
    for item in subject.members(Tier.FRONTIER):
        if not item.deployment.vision:
            yield subject.config.finding(
                Severity.ERROR,
                item.at("litellm_params", "model"),
                f"{item.deployment.model} cannot see images but the cheaper tier {' and '.join(seeing)} can: "
                "a hard request with an image has nowhere to go",
                "use a model with vision, or say `model_info: {supports_vision: true}` if it has it",
            )


def abilities(subject: Subject) -> Iterator[CheckFinding]:
    """For the reader: what each deployment can do, as far as LiteLLM knows."""
    for tier, item in subject.in_tiers():
        yield subject.config.finding(
            Severity.NOTE, item.at("litellm_params", "model"), f"{tier.value}: {_ability(subject, item)}"
        )


def _ability(subject: Subject, item: Listed) -> str:
    deployment = item.deployment
    supported = subject.outside.supported_params(deployment.model)
    if supported is None:
        logprobs = "unknown"
    elif "logprobs" not in supported:
        logprobs = "no"
    else:
        logprobs = "yes" if "top_logprobs" in supported else "yes, without top_logprobs"
    window = f"{deployment.max_input_tokens:,}" if deployment.max_input_tokens else "unknown"
    vision = "yes" if deployment.vision else "no"
    return f"{deployment.model}: logprobs {logprobs}; vision {vision}; input window {window}"


def _date(value: object) -> date | None:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
