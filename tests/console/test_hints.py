"""What the overview suggests follows from the figures by the rules that docs/console.md lists."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import Tab

ROOT = Path(__file__).resolve().parents[2]
_HEALTHY: dict[str, Any] = {"policy": {"findings": [], "mode": "enforce"}}
_WELL: dict[str, Any] = {
    "requests": 1000, "errors": 0, "unknown": 0, "causes": {"score": 1000},
    "cost": {"total": 1.0, "shuffled": 2.0, "saved_shuffled": 1.0, "compared": 1000, "unpriced": 0},
    "tiers": {"simple": {"share": 0.7}, "medium": {"share": 0.2}, "frontier": {"share": 0.1}},
    "escalation": {"judged": 900, "escalated": 9, "rate": 0.01, "verdicts": {"trust": 891, "escalate": 9},
                   "by_tier": {"simple": {"judged": 700, "escalated": 3}, "medium": {"judged": 200, "escalated": 6}}},
    "cache": {"hit": 100, "miss": 900, "bypass": 0, "estimated_wrong": 1.0, "labelled_wrong": 0, "guards": {}},
    "quality": {"labelled": 400}, "read": {"unreadable": 0},
}  # fmt: skip


def report(*changes: tuple[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(_WELL)
    for path, value in changes:
        *folders, name = path.split(".")
        target = made
        for folder in folders:
            target = target[folder]
        target[name] = value
    return made


@pytest.fixture
def suggest(tab: Tab) -> Callable[..., list[dict[str, str]]]:
    tab.page.goto(tab.console.url)

    def ask(given: dict[str, Any], health: dict[str, Any] = _HEALTHY) -> list[dict[str, str]]:
        script = "async given => (await import('./assets/hints.js')).hints(...given)"
        return list(tab.page.evaluate(script, [given, health]))

    return ask


def test_where_all_is_well_nothing_is_to_be_changed(suggest: Callable[..., list[dict[str, str]]]) -> None:
    assert [hint["level"] for hint in suggest(_WELL, _HEALTHY)] == ["good"]


def test_each_rule_speaks_beyond_its_limit_and_is_silent_at_it(suggest: Callable[..., list[dict[str, str]]]) -> None:
    cases: list[tuple[str, str, list[tuple[str, Any]], list[tuple[str, Any]]]] = [
        ("bad", "late or broken", [("causes.encoder_timeout", 11)], [("causes.encoder_timeout", 10)]),
        ("bad", "store failed", [("causes.cache_timeout", 11)], [("causes.cache_timeout", 10)]),
        ("bad", "requests failed", [("errors", 11)], [("errors", 10)]),
        ("warn", "replaced", [("escalation.rate", 0.051)], [("escalation.rate", 0.05)]),
        ("bad", "replaced", [("escalation.rate", 0.251)], [("escalation.rate", 0.05)]),
        ("warn", "frontier", [("tiers.frontier.share", 0.26)], [("tiers.frontier.share", 0.25)]),
        ("warn", "at random", [("cost.saved_shuffled", -0.1)], [("cost.saved_shuffled", 0.0)]),
        ("warn", "may answer another", [("cache.estimated_wrong", 3.1)], [("cache.estimated_wrong", 3.0)]),
        ("bad", "marked wrong", [("cache.labelled_wrong", 1)], []),
        ("warn", "measure nothing", [("escalation.verdicts.none", 271)], [("escalation.verdicts.none", 270)]),
        ("warn", "without a price", [("cost.unpriced", 1)], []),
        ("note", "Quality is known", [("quality.labelled", 149)], [("quality.labelled", 150)]),
        ("note", "passed by", [("cache.bypass", 501)], [("cache.bypass", 500)]),
        ("warn", "cannot be read", [("read.unreadable", 1)], []),
    ]
    for level, words, beyond, at in cases:
        said = [hint["level"] for hint in suggest(report(*beyond)) if words in hint["title"]]
        assert said == [level], words
        assert not [hint for hint in suggest(report(*at)) if words in hint["title"]], words


def test_a_replaced_answers_tier_is_named(suggest: Callable[..., list[dict[str, str]]]) -> None:
    [hint] = [h for h in suggest(report(("escalation.rate", 0.2))) if "replaced" in h["title"]]
    assert "medium tier" in hint["text"]


def test_few_requests_say_nothing_about_shares(suggest: Callable[..., list[dict[str, str]]]) -> None:
    few = report(("requests", 29), ("tiers.frontier.share", 0.9), ("escalation.rate", 0.9), ("quality.labelled", 0))
    assert [hint["level"] for hint in suggest(few)] == ["good"]


def test_a_refused_policy_comes_first(suggest: Callable[..., list[dict[str, str]]]) -> None:
    ill = {"policy": {"findings": ["routing_policy.yaml:7: tiers.simple.threshold: too high"], "mode": "shadow"}}
    first, *_ = suggest(report(("cost.unpriced", 3)), ill)
    assert (first["level"], first["text"]) == ("bad", ill["policy"]["findings"][0])


def test_the_page_of_the_docs_states_the_same_limits(suggest: Callable[..., list[dict[str, str]]], tab: Tab) -> None:
    rules = tab.page.evaluate("async () => (await import('./assets/hints.js')).RULES")
    section = (ROOT / "docs" / "console.md").read_text(encoding="utf-8").partition("## What it suggests")[2]
    section = section.partition("\n## ")[0]
    stated = {int(number) for number in re.findall(r"(\d+) %", section)}
    assert stated == {round(value * 100) for value in rules.values() if value < 1}
    for name in ("labels_for_a_bound", "enough"):
        assert str(rules[name]) in section
