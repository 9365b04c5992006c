"""`tier-router explain`: one decision and its reasons."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_engine, open_policy
from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.receipts.explanation import Explanation


def explain(
    text: Annotated[str | None, typer.Argument(help="The prompt; - or nothing reads stdin.")] = None,
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
      tier-router explain --request 3f0c2a… --records var/records
    """
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
        facts.append(f"domain    {found.domain['name']} by {found.domain['rule']}, score {found.domain['score']:.2f}")
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
    _section("also", list(found.remarks))


def _section(title: str, lines: list[str]) -> None:
    if lines:
        say(f"\n{paint(title, 'heading')}")
        for line in lines:
            say(f"  {line}")
