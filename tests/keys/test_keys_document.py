"""keys.yaml: what it may say, and which line a mistake is on."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from custom_router.keys.document import read_keys
from custom_router.policy import Policy, PolicyError
from tests.cli.cli_calls import run

POLICY = Policy.parse(
    """\
tiers:
  simple: {model: s, threshold: 0.6}
  medium: {model: m, threshold: 0.6}
  frontier: {model: f}
domains: {finance: {}}
"""
).document
GOOD = """\
teams:
  support: {max_budget: 50, budget_duration: 30d, router: {max_tier: medium, cache: off}}
keys:
  bot: {team: support, duration: 90d, router: {domain: finance, gate: off}}
"""


def test_a_good_file_loads_and_off_is_a_word() -> None:
    document = read_keys(GOOD.encode(), "keys.yaml", POLICY)
    assert document.teams["support"].router is not None
    assert document.teams["support"].router.told() == {"max_tier": "medium", "cache": "off"}
    assert document.keys["bot"].router is not None
    assert document.keys["bot"].router.told() == {"domain": "finance", "gate": "off"}


@pytest.mark.parametrize(
    ("edit", "line", "path"),
    [
        (("max_tier: medium", "max_teir: medium"), 2, "teams.support.router.max_teir"),
        (("max_tier: medium", "max_tier: cheap"), 2, "teams.support.router.max_tier"),
        (("max_tier: medium", "max_tier: "), 2, "teams.support.router.max_tier"),
        (("30d", "month"), 2, "teams.support.budget_duration"),
        (("max_budget: 50", "max_budget: -1"), 2, "teams.support.max_budget"),
        (("team: support", "team: sales"), 4, "keys.bot.team"),
        (("domain: finance", "domain: medical"), 4, "keys.bot.router.domain"),
        (("  bot: {", "  bot: {models: [tier-frontier], "), 4, "keys.bot.models"),
    ],
)
def test_a_mistake_names_its_line(edit: tuple[str, str], line: int, path: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_keys(GOOD.replace(*edit).encode(), "keys.yaml", POLICY)
    (finding,) = caught.value.findings
    assert (finding.file, finding.line, finding.path) == ("keys.yaml", line, path)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(PolicyError, match="neither `teams` nor `keys`"):
        read_keys(b"version: 1\n", "keys.yaml", POLICY)


def test_its_json_schema_holds_for_it() -> None:
    schema = json.loads(run("schema", "keys").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(GOOD.replace("off", "'off'")), schema)
