"""Example prompts and the domain each must be recognised as: a regression test for rules, not a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from custom_router.decision import Decision
from custom_router.policy.load import Finding, PolicyError, line_of, parse_yaml
from custom_router.policy.schema import DomainPolicy

SHIPPED = Path(__file__).with_name("examples.yaml")
NONE = "none"
"""Heads the list of prompts that no domain may claim."""


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt, the domain expected (None for none), and its line in the file."""

    prompt: str
    domain: str | None
    line: int


def read_examples(content: bytes, source: str, domains: Mapping[str, DomainPolicy]) -> list[Example]:
    """Examples from YAML that lists prompts by domain. Raises `PolicyError` with one finding for each mistake."""
    root, data = parse_yaml(content, source)
    if not isinstance(data, dict) or not data:
        raise PolicyError([Finding(source, 0, "", f"must list prompts under a domain's name or `{NONE}`")])
    found: list[Example] = []
    wrong: list[Finding] = []
    for name, prompts in data.items():
        line = line_of(root, (str(name),))
        if name != NONE and name not in domains:
            wrong.append(Finding(source, line, str(name), f"no such domain in the policy; known: {sorted(domains)}"))
        elif not isinstance(prompts, list) or not prompts:
            wrong.append(Finding(source, line, str(name), "must be a list of prompts, one a line after `- `"))
        else:
            for number, prompt in enumerate(prompts):
                line = line_of(root, (name, number))
                if isinstance(prompt, str) and prompt.strip():
                    found.append(Example(prompt, None if name == NONE else name, line))
                else:
                    wrong.append(Finding(source, line, f"{name}.{number}", "is no text; put it in quotation marks"))
    if wrong:
        raise PolicyError(wrong)
    return found


def miss(example: Example, decision: Decision) -> str | None:
    """What is wrong with the decision about an example; None where nothing is."""
    found = decision.domain
    seen = f"{found.name} by {found.rule}" if found else "no domain"
    if (found.name if found else None) != example.domain:
        return f"expected {example.domain or 'no domain'}, found {seen}"
    if decision.domain_tier is not None and decision.tier.rank < decision.domain_tier.rank:
        return f"{seen}, but {decision.tier.value} would answer, not {decision.domain_tier.value}"
    return None
