"""Patience covers rules too: examples and evaluations must not depend on how busy the machine is."""

from __future__ import annotations

from pathlib import Path

from custom_router.engine import RouterEngine
from custom_router.request import RequestView

POLICY = """\
tiers:
  simple: {model: s, threshold: 0.6}
  medium: {model: m, threshold: 0.6}
  frontier: {model: f}
classifier: {kind: constant, constant: 0.9}
latency_budget_ms: {rules: 1.0e-9}
domains:
  finance: {rules: {patterns: ['\\bmortgages?\\b']}}
"""


async def test_rules_of_a_patient_decision_have_all_the_time_they_need(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    engine = RouterEngine.from_policy(path)
    view = RequestView.from_chat({"messages": [{"role": "user", "content": "Sing of the sea."}]})
    hurried = await engine.decide(view)
    assert hurried.domain is not None
    assert hurried.domain.rule == "timeout"
    assert (await engine.decide(view, patient=True)).domain is None
    engine.close()
