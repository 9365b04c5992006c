"""`tier-router overrides audit`: the proof from the records that the domains held."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.record_files import RecordsOption, opened
from custom_router.cli.terminal import paint, say

if TYPE_CHECKING:
    from custom_router.reports.overrides_audit import OverridesAudit
    from custom_router.reports.period import Period
    from custom_router.reports.store import Read

_SHOWN = 20
_RULES_SHOWN = 6


def audit(
    since: Annotated[str, typer.Option(help="How far back: 12h, 30d, 2w, or a date, UTC.")] = "30d",
    records: RecordsOption = None,
    policy: PolicyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove from the records that all traffic of a domain went to the tier required of it, and by which rule.

    Each request is judged by what the policy in force at its time required. Exits with 1 if any went to a lower tier,
    if its requirement is unknown, or if a line of the records cannot be read.

    \b
    Example:
      tier-router overrides audit --since 30d
      tier-router overrides audit --since 2026-11-01 --json | jq .violations
    """
    from datetime import UTC, datetime

    import orjson

    from custom_router.reports.overrides_audit import audit_overrides, judged_requests
    from custom_router.reports.period import since as period_since

    try:
        period = period_since(since, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    document = open_policy(policy).document
    required = {name: domain.tier for name, domain in document.domains.items()}
    with opened(records or str(document.records.directory), period) as store:
        found, seen = audit_overrides(judged_requests(store), required), store.read
    if as_json:
        say(orjson.dumps(_as_dict(found, seen, period), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found, seen, period)
    if found.failed or found.unjudged or seen.unreadable:
        raise typer.Exit(1)


def _as_dict(found: OverridesAudit, seen: Read, period: Period) -> dict[str, object]:
    return {
        "from": period.start.isoformat(),
        "to": period.end.isoformat(),
        "oldest_record": seen.first.isoformat() if seen.first else None,
        "gaps": seen.gaps,
        "matched": found.matched,
        "failed": found.failed,
        "unreadable_lines": seen.unreadable,
        "torn_lines": seen.torn,
        **{field.name: getattr(found, field.name) for field in fields(found)},
    }


def _print(found: OverridesAudit, seen: Read, period: Period) -> None:
    from custom_router.reports.missing import gaps_note

    say(f"{period}: {found.requests} requests in {seen.segments} files, {found.matched} matched a domain")
    if seen.first is not None and seen.first > period.start:
        say(f"{paint('note:', 'note')} the oldest record is of {seen.first:%Y-%m-%d %H:%M}: nothing is known of before")
    for told in gaps_note(seen):
        say(f"{paint('note:', 'note')} {told}")
    if found.domains:
        heading = f"{'domain':<14}{'matched':>9}{'to its tier':>13}   required, rules"
        say(f"\n{paint(heading, 'heading')}")
    for name, domain in sorted(found.domains.items()):
        required = " ".join(f"{tier} {count}" for tier, count in domain.required.most_common())
        say(f"{name:<14}{domain.matched:>9}{domain.held:>13}   {required}")
        for rule, count in domain.rules.most_common(_RULES_SHOWN):
            say(f"{'':<14}{count:>9}{'':>13}   {rule}")
        if len(domain.rules) > _RULES_SHOWN:
            say(f"{'':<36}   and {len(domain.rules) - _RULES_SHOWN} other rules; --json lists them")
    if found.policies:
        versions = ", ".join(f"{version} {count}" for version, count in found.policies.most_common(_SHOWN))
        say(f"\nrequests by policy version: {versions}")
    _remarks(found, seen)
    for one in found.violations[:_SHOWN]:
        say(
            f"{paint('below:', 'error')} {one.time} {one.request_id} {one.domain} by {one.rule}: "
            f"{one.tier} instead of {one.required}; {one.reason}"
        )
    if found.failed > _SHOWN:
        say(f"and {found.failed - _SHOWN} more; --json lists up to a thousand")
    if found.failed:
        say(f"{found.failed} of {found.matched} matched requests went to a lower tier", err=True)
    elif found.matched:
        say(f"100 % of {found.matched} matched requests went to the tier required or above")
    else:
        say("no request matched a domain")


def _remarks(found: OverridesAudit, seen: Read) -> None:
    remarks = [
        (found.capped_by_choice, "named a domain in a header only, which lifts no cap: a capped caller's own choice"),
        (found.unjudged, "matched a domain whose required tier is not recorded, and which the policy no longer has"),
        (found.unlooked, "were decided without a look for domains (mode off, or an error), and not by the frontier"),
        (seen.unreadable, "lines of the records are unreadable: what they held is not proven"),
        (seen.torn, "files end in a torn line, from a process killed or a full disk: what it held is not proven"),
    ]
    for count, told in remarks:
        if count:
            say(f"{paint('note:', 'note')} {count} {told}")
