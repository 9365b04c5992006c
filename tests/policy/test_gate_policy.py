"""The policy's `gate` section: overrides, refusals, calibration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_router.gating import Calibrations
from custom_router.policy import Policy, PolicyError
from custom_router.runtime import Runtime
from custom_router.tiers import Tier

TIERS = """\
tiers:
  simple: {model: a, threshold: 0.6}
  medium: {model: b, threshold: 0.6}
  frontier: {model: c}
domains:
  support: {tier: medium, gate: "on", rules: {terms: [refund]}}
"""


def parse(gate: str) -> Policy:
    return Policy.parse(f"{TIERS}gate: {gate}\n")


def test_the_last_override_that_fits_wins() -> None:
    gate = parse(
        "{overrides: [{tier: medium, escalate_below: 0.5}, {domain: support, trust_from: 0.95},"
        " {team: t1, enabled: false}, {team: t1, tier: medium, enabled: true, no_signal: escalate}]}"
    ).document.gate
    nobody: frozenset[str] = frozenset()
    plain = gate.thresholds(Tier.SIMPLE, None, nobody)
    assert plain is not None
    assert (plain.escalate, plain.trust, plain.no_signal) == (0.70, 0.85, "deliver")
    medium = gate.thresholds(Tier.MEDIUM, "support", nobody)
    assert medium is not None
    assert (medium.escalate, medium.trust) == (0.5, 0.95)
    assert gate.thresholds(Tier.SIMPLE, None, frozenset({"t1"})) is None
    again = gate.thresholds(Tier.MEDIUM, None, frozenset({"t1", "alias"}))
    assert again is not None
    assert again.no_signal == "escalate"


def test_the_frontier_is_never_judged() -> None:
    gate = parse("{overrides: [{tier: frontier, enabled: true}]}").document.gate
    assert gate.thresholds(Tier.FRONTIER, None, frozenset()) is None


@pytest.mark.parametrize(
    ("gate", "where"),
    [
        ("{escalate_below: 0.9, trust_from: 0.8}", "escalate_below 0.9 is above trust_from 0.8"),
        ("{overrides: [{tier: simple, escalate_below: 0.9}]}", "escalate_below 0.9 is above trust_from 0.85"),
        ("{overrides: [{domain: nowhere}]}", "no domain ['nowhere']"),
        ("{escalate_below: 70}", "gate.escalate_below"),
        ("{escalate_below: false}", "gate.escalate_below"),
        ("{streaming: sometimes}", "gate.streaming"),
        ("{signals: [logprobs, telepathy]}", "gate.signals"),
        ("{deadline_s: 0}", "gate.deadline_s"),
        ("{answer_value_usd: -1}", "gate.answer_value_usd"),
        ("{treshold: 0.7}", "gate.treshold"),
    ],
)
def test_mistakes_are_refused_with_their_place(gate: str, where: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(gate)
    assert where in str(caught.value)


@pytest.mark.parametrize("content", [None, "not json", '{"format": 99}', '{"format": 1, "version": "x"}'])
def test_a_calibration_that_cannot_be_used_refuses_the_policy(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "mine.json").write_text(content)
    path = tmp_path / "policy.yaml"
    path.write_text(f"{TIERS}gate: {{artifact: mine.json}}\n")
    with pytest.raises(PolicyError, match=r"gate\.artifact: .*mine\.json"):
        Calibrations().accept(Policy.load(path))


def test_an_edit_that_names_a_broken_calibration_keeps_the_last_good_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"{TIERS}records: {{directory: {tmp_path / 'records'}}}\nclassifier: {{kind: constant}}\n")
    runtime = Runtime.serve(path)
    try:
        good = runtime.engine.policy.version
        path.write_text(path.read_text() + "gate: {artifact: missing.json}\n")
        runtime.engine.watcher.check()
        assert runtime.engine.policy.version == good
        assert any("gate.artifact" in finding for finding in runtime.health()["policy"]["findings"])
    finally:
        runtime.close()
