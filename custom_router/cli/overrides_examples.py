"""`tier-router overrides test`: whether the domains recognise what they should, before a change is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_engine
from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.decision import Decision
    from custom_router.domains.examples import Example
    from custom_router.engine import RouterEngine


def run_examples(
    file: Annotated[
        Path | None,
        typer.Argument(help="YAML: prompts by domain, and under `none`.", show_default="the shipped examples"),
    ] = None,
    policy: PolicyOption = None,
) -> None:
    """Check that example prompts are recognised as the domain they are of.

    The file lists prompts under the name of their domain, and under `none` those that no domain may claim. Each miss is
    one line: file:line, what was expected, what was found. Exits with 1 if there is any.

    \b
    Example:
      tier-router overrides test
      tier-router overrides test medical_examples.yaml --policy routing_policy.yaml
    """
    from collections import Counter

    from custom_router.domains.examples import NONE, miss

    engine = open_engine(policy)
    try:
        source = str(file) if file is not None else "shipped examples"
        examples = _read(file, engine)
        decided = _decided(engine, examples)
    finally:
        engine.close()
    asked = Counter(example.domain or NONE for example in examples)
    missed: Counter[str] = Counter()
    for example, decision in zip(examples, decided, strict=True):
        if (problem := miss(example, decision)) is not None:
            missed[example.domain or NONE] += 1
            say(f"{source}:{example.line}: {paint('miss:', 'error')} {problem}: {_brief(example.prompt)}")
    for name, count in asked.items():
        say(f"{name:<12} {count - missed[name]} of {count}")
    if missed:
        fail(f"{missed.total()} of {len(examples)} examples missed")


def _read(file: Path | None, engine: RouterEngine) -> list[Example]:
    from custom_router.domains.examples import SHIPPED, read_examples
    from custom_router.policy import DomainPolicy, Mode, PolicyError

    document = engine.policy.document
    if document.mode is Mode.OFF:
        fail("the policy's mode is off, in which no domain is looked for; set enforce or shadow")
    domains = document.domains
    try:
        if file is not None:
            return read_examples(file.read_bytes(), str(file), domains)
        # The shipped file names two domains; a policy that has but one of them is asked for that one.
        shipped = read_examples(SHIPPED.read_bytes(), "", {name: DomainPolicy() for name in ("finance", "legal")})
        return [e for e in shipped if e.domain in (None, *domains)]
    except OSError as error:
        raise typer.BadParameter(f"{file}: {os_reason(error)}", param_hint="FILE") from error
    except PolicyError as error:
        for finding in error.findings:
            say(f"{paint('error:', 'error')} {finding}", err=True)
        raise typer.Exit(1) from None


def _decided(engine: RouterEngine, examples: list[Example]) -> list[Decision]:
    import asyncio

    from custom_router.policy import Caller
    from custom_router.request import RequestView

    document = engine.policy.document

    async def decide() -> list[Decision]:
        found = []
        for example in examples:
            # A domain for certain teams only is tested as one of them.
            teams = document.domains[example.domain].teams if example.domain else None
            caller = Caller(team=teams[0] if teams else None)
            view = RequestView.from_chat({"messages": [{"role": "user", "content": example.prompt}]})
            found += await engine.decide_many([view], caller)
        return found

    return asyncio.run(decide())


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
