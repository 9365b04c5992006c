"""explain: what it says of a decision is what `decide` would do, and past requests are found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_router.causes import MEANING, Cause
from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Circumstances
from custom_router.domains.base import DomainMatch
from custom_router.policy import Caller, Policy
from custom_router.receipts.explanation import Alternative, Explanation, explain_decision, explain_record
from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    DomainFields,
    GateFields,
    OutcomeFields,
    ScoreFields,
    Tenant,
)
from custom_router.request import RequestView
from custom_router.tiers import Tier
from tests.cli.cli_calls import RANDOM_POLICY, run, write_policy

POLICY = Policy.parse(json.dumps(RANDOM_POLICY))


def _explained(text: str, simple: float, medium: float, *, ood: float = 0.0, domain: str | None = None) -> Explanation:
    view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
    scores = Scores({Tier.SIMPLE: simple, Tier.MEDIUM: medium, Tier.FRONTIER: 1.0}, ood, "given/1")
    match = DomainMatch(domain, 1.0, "term:mortgage") if domain else None
    decision = decide(view, scores, Caller(), POLICY, Circumstances(domain=match))
    return explain_decision(view, decision, POLICY)


def test_margins_are_signed() -> None:
    margins = _explained("hello", 0.4, 0.8).margins
    assert [(m.tier, m.p_ok, m.threshold) for m in margins] == [("simple", 0.4, 0.5), ("medium", 0.8, 0.5)]
    assert [m.margin for m in margins] == pytest.approx([-0.1, 0.3])


def test_another_score_would_mean_another_tier() -> None:
    assert _explained("hello", 0.4, 0.8).alternatives == (
        Alternative("p_ok[simple] at least 0.5 (it is 0.400)", "simple"),
        Alternative("p_ok[medium] below 0.5 (it is 0.800)", "frontier"),
    )


def test_what_a_domain_a_signal_and_strangeness_did() -> None:
    assert (
        Alternative("without the finance match (term:mortgage)", "simple")
        in _explained("a mortgage", 0.9, 0.9, domain="finance").alternatives
    )
    code = _explained("```python\nprint(1)\n```", 0.9, 0.9)
    assert code.signals == {"code": "medium"}
    assert code.alternatives == (Alternative("without the code signal", "simple"),)
    strange = _explained("hello", 0.9, 0.9, ood=0.999)
    assert strange.alternatives == (Alternative("were the prompt more like the training data", "simple"),)


def test_two_things_holding_it_there_are_said_to() -> None:
    found = _explained("hello", 0.4, 0.4, domain="finance")
    assert found.alternatives == ()
    assert "no single change would have led to another tier" in found.remarks


def _record(version: str, **changes: Any) -> DecisionRecord:
    return DecisionRecord(
        request_id="req-1",
        time="2026-06-01T00:00:00.000+00:00",
        policy_version=version,
        entry_model="auto",
        call_type="chat",
        stream=False,
        tenant=Tenant(team="red"),
        litellm_call_id="call-1",
        domain=DomainFields("finance", 1.0, "term:mortgage"),
        scores=ScoreFields({"simple": 0.4, "medium": 0.8, "frontier": 1.0}, 6.0, "given/1", 0.1),
        tier="frontier",
        decided_tier="medium",
        model_group="tier-frontier",
        causes=["score", "mode_shadow", "from_the_future"],
        **changes,
    )


def test_a_record_is_explained_by_the_policy_that_decided_it() -> None:
    found = explain_record(_record(POLICY.version).as_dict(), POLICY)
    assert (found.tier, found.served) == ("medium", "frontier")
    assert dict(found.causes)["score"] == MEANING[Cause.SCORE]
    assert "does not know" in dict(found.causes)["from_the_future"]
    assert [m.tier for m in found.margins] == ["simple", "medium"]
    assert explain_record(_record("another").as_dict(), POLICY).margins == ()


@pytest.mark.parametrize(
    "record", [{}, {"scores": 1, "domain": [], "causes": None, "tenant": "x", "cost": {"total": 1}}]
)
def test_a_record_of_another_shape_is_survived(record: dict[str, Any]) -> None:
    assert explain_record(record, POLICY).alternatives == ()


def test_explaining_a_prompt(tmp_path: Path) -> None:
    result = run("explain", "Which mortgage is cheapest?", "--policy", write_policy(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.startswith("tier        frontier\n")
    assert MEANING[Cause.DOMAIN_RULE] in result.stdout
    assert "finance by term:mortgage" in result.stdout
    # The router would not have asked the classifier; whoever asks for an explanation sees its scores all the same.
    assert "random/1" in result.stdout
    assert "without the finance match (term:mortgage)" in result.stdout
    assert "no single change" not in result.stdout
    assert "\x1b" not in result.stdout


def test_what_callers_said_of_themselves_moves_no_terminal(tmp_path: Path) -> None:
    evil = replace(_record(POLICY.version), tenant=Tenant(end_user="\x1b]0;pwned\x07\x1b[2J evil\u202e"))
    evil = replace(evil, outcome=OutcomeFields("error", "\x1b[31mred"))
    (tmp_path / "decisions-a.jsonl").write_bytes(evil.to_json() + b"\n")
    policy = write_policy(tmp_path)
    result = run("explain", "--request", evil.request_id, "--records", tmp_path, "--policy", policy)
    assert result.exit_code == 0
    assert "evil" in result.stdout
    assert not any(c in result.stdout for c in "\x1b\x07\u202e")


def test_explain_reads_standard_input_and_speaks_json(tmp_path: Path) -> None:
    for arguments in (["-"], []):
        result = run(
            "explain", *arguments, "--json", "--policy", write_policy(tmp_path), given="hi \xff".encode("latin-1")
        )
        found = json.loads(result.stdout)
        assert found["tier"] in {"simple", "medium", "frontier"}
        assert found["causes"] == [{"code": "score", "meaning": MEANING[Cause.SCORE]}]
        assert {m["tier"] for m in found["margins"]} == {"simple", "medium"}


def test_a_past_request_is_found_by_either_id(tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    (records / "decisions-a.jsonl").write_bytes(b'{"text": "req-1 in passing", "request_id": "req-0"}\n{"cut req-1\n')
    (records / "decisions-b.jsonl").write_bytes(_record(POLICY.version).to_json() + b"\n")
    for id_ in ("req-1", "call-1"):
        result = run("explain", "--request", id_, "--records", records, "--policy", write_policy(tmp_path))
        assert result.exit_code == 0
        assert result.stdout.startswith("tier        medium   (mode enforce: frontier served)\n")
        assert "tenant: team red" in result.stdout


def test_a_request_id_alone_is_a_past_request(tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    made = _record(POLICY.version, cost=CostFields(0.001, 0.001, alternatives={"simple": 0.001, "frontier": 0.5}))
    made.request_id = "0123456789abcdef" * 2
    made.gate = GateFields("whole", {"answer_logprob": 1.25}, confidence=0.91, verdict="trust")
    made.cache = CacheFields("miss", similarity=0.97, guard="number")
    made.latency_ms = {"rules": 0.5, "classify": 0.25, "overhead": 1.0, "total": 321.0}
    (records / "decisions-a.jsonl").write_bytes(made.to_json() + b"\n")
    result = run("explain", made.request_id, "--records", records, "--policy", write_policy(tmp_path))
    assert result.exit_code == 0
    for told in (
        "tenant: team red",
        "at frontier",
        "$0.500000",
        "confidence 0.91",
        "a number is missing",
        "321.000 ms",
    ):
        assert told in result.stdout, result.stdout
    lost = run("explain", "f" * 32, "--records", records, "--policy", write_policy(tmp_path))
    assert (lost.exit_code, "no request" in lost.stderr) == (1, True)
    # Anything else is a prompt, and so is an id from standard input.
    prompt = run("explain", "-", "--policy", write_policy(tmp_path), given=made.request_id)
    assert "random/1" in prompt.stdout


def test_a_request_that_is_not_there(tmp_path: Path) -> None:
    result = run("explain", "--request", "nope", "--records", tmp_path, "--policy", write_policy(tmp_path))
    assert result.exit_code == 1
    assert "--records" in result.stderr


def test_a_prompt_and_a_request_are_one_too_many(tmp_path: Path) -> None:
    assert run("explain", "hi", "--request", "x", "--policy", write_policy(tmp_path)).exit_code == 2
