"""`tier-router explain`: one decision and its reasons."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custom_router.cli.policy_file import PolicyOption, open_engine, open_policy
from custom_router.cli.terminal import fail, os_reason, paint, say
from custom_router.reports.text import printable

if TYPE_CHECKING:
    from custom_router.receipts.aftermath import Aftermath
    from custom_router.receipts.explanation import Explanation


_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
"""What the router names a request by. Nobody asks a model that; who does can through standard input."""


def explain(
    text: Annotated[
        str | None,
        typer.Argument(help="The prompt, or a past request's x-router-request-id; - or nothing reads stdin."),
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Explain a past request instead: its x-router-request-id or LiteLLM call id."),
    ] = None,
    policy: PolicyOption = None,
    records: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the decision records.", show_default="the policy's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which tier a prompt gets, why, and what would change it.

    \b
    Example:
      tier-router explain "Can my landlord keep the deposit?"
      tier-router explain 3f0c2a71be0c4e9c9a55d2f1c7e0b6aa
      tier-router explain --request 3f0c2a… --records var/records
    """
    if request is None and text is not None and _REQUEST_ID.fullmatch(text):
        text, request = None, text
    if request is not None:
        if text is not None:
            raise typer.BadParameter("give a prompt or --request, not both", param_hint="TEXT")
        explanation = _past(request, policy, records)
    else:
        if text is None and sys.stdin.isatty():
            raise typer.BadParameter("give a prompt, or - to read it from standard input", param_hint="TEXT")
        prompt = sys.stdin.buffer.read().decode("utf-8", "replace") if text in (None, "-") else text
        explanation = _prompt(str(prompt), policy)
    if as_json:
        say(json.dumps(explanation.as_dict(), indent=2))
    else:
        _print(explanation)


def _prompt(text: str, policy: Path | None) -> Explanation:
    from custom_router.receipts.explanation import explain_decision
    from custom_router.request import RequestView

    engine = open_engine(policy)
    view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
    try:
        decision = asyncio.run(engine.decide_many([view]))[0]
    finally:
        engine.close()
    return explain_decision(view, decision, engine.policy)


def _past(request: str, given: Path | None, records: Path | None) -> Explanation:
    from custom_router.receipts.explanation import explain_record
    from custom_router.records.find import find_in, segments_newest_first

    policy = open_policy(given)
    folder = records or Path(policy.document.records.directory)
    try:
        segments = segments_newest_first(folder)
        record = next((found for path in segments if (found := find_in(path, request)) is not None), None)
    except OSError as error:
        fail(f"{error.filename or folder}: {os_reason(error)}")
    if record is None:
        where = f"{len(segments)} record file{'' if len(segments) == 1 else 's'} in {folder}"
        fail(f"no request {request!r} in {where}; name the folder with --records if it is another")
    return explain_record(record, policy)


def _print(found: Explanation) -> None:
    served = "" if found.served == found.tier else f"   (mode {found.mode}: {found.served} served)"
    say(f"{paint('tier', 'heading')}        {found.tier}{served}")
    if found.complexity is not None:
        say(f"complexity  {found.complexity:.1f} of 10")
    say(f"policy      {found.policy_version}, classifier {found.source}")
    _section("why", [f"{code:<22}{meaning}" for code, meaning in found.causes])
    _section(
        "p_ok against thresholds",
        [
            f"{m.tier:<10}{m.p_ok:.3f}, threshold {m.threshold:g}: "
            + (f"reached with {m.margin:.3f} to spare" if m.margin >= 0 else f"{-m.margin:.3f} short")
            for m in found.margins
        ],
    )
    facts = []
    if found.domain:
        score = found.domain["score"]
        told = f", score {score:.2f}" if isinstance(score, int | float) else ""
        facts.append(f"domain    {found.domain['name']} by {found.domain['rule']}{told}")
    if found.intent:
        facts.append(f"intent    {found.intent}")
    facts.append(f"sentence encoder {found.sentence_encoder}")
    if found.signals:
        named = (f"{name} (floor {floor or 'none'})" for name, floor in found.signals.items())
        facts.append(f"signals   {', '.join(named)}")
    if found.ood is not None and found.ood_limit is not None:
        facts.append(f"unlike training data: {found.ood:.2f}, limit {found.ood_limit:g}")
    _section("seen in the request", facts)
    _section("for another tier", [f"{a.change} → {a.tier}" for a in found.alternatives])
    if found.aftermath is not None:
        _print_aftermath(found.aftermath)
    _section("also", list(found.remarks))


def _print_aftermath(found: Aftermath) -> None:
    cache, gate, cost = found.cache, found.gate, found.cost
    _section("outcome", [f"{found.status}{f': {found.error}' if found.error else ''}"])
    _section("cache", [_joined(cache, "status", "kind", "guard", "entry_id", "similarity", "p_same")])
    if cache.get("meaning"):
        say(f"  {printable(str(cache['meaning']))}")
    judged = [_joined(gate, "verdict", "confidence", "escalated_to", "held_ms")]
    judged += [f"{name:<24}{value:.4g}" for name, value in (gate.get("signals") or {}).items()]
    _section("gate", judged + ([str(gate["meaning"])] if gate.get("meaning") else []))
    named = ("total", "first_attempt", "escalation", "classifier", "frontier_baseline", "saved")
    lines = [f"{name:<24}{_dollars(cost.get(name))}" for name in named]
    lines += [f"at {tier:<21}{_dollars(usd)}" for tier, usd in (cost.get("alternatives") or {}).items()]
    _section("cost", lines)
    took = [f"{step.stage:<24}{step.ms:.3f} ms" for step in found.timeline]
    _section("time", took + [f"{name:<24}{ms:.3f} ms" for name, ms in found.ms.items()])


def _joined(fields: Mapping[str, Any], first: str, *others: str) -> str:
    known = [f"{name} {fields[name]}" for name in others if fields.get(name) is not None]
    return ", ".join([str(fields.get(first)), *known])


def _dollars(value: object) -> str:
    return f"${value:.6f}" if isinstance(value, int | float) else "unknown"


def _section(title: str, lines: list[str]) -> None:
    if lines:
        say(f"\n{paint(title, 'heading')}")
        for line in lines:
            say(f"  {printable(line)}")
