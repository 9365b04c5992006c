"""The record's line of JSON, its masked text and its arithmetic."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.records.cost import charge_vllm, cost_of, processor_cost
from custom_router.records.record import (
    TEXT_LIMIT,
    DecisionRecord,
    DomainFields,
    ScoreFields,
    Tenant,
    TokenFields,
    logged_text,
)


def record(**changes: object) -> DecisionRecord:
    given_ = {
        "request_id": "r",
        "time": "2026-01-01T00:00:00.000+00:00",
        "policy_version": "v",
        "entry_model": "auto",
        "call_type": "chat",
        "stream": False,
        "tenant": Tenant(),
    }
    return DecisionRecord(**{**given_, **changes})  # type: ignore[arg-type]


def test_a_line_holds_every_field_and_no_line_end() -> None:
    line = record(text="two\nlines", tenant=Tenant(team="t")).to_json()
    assert b"\n" not in line
    assert list(orjson.loads(line)) == [field.name for field in fields(DecisionRecord)]
    assert orjson.loads(line)["tenant"]["team"] == "t"


@given(
    text=st.text(st.characters(), max_size=20),
    number=st.integers() | st.floats(),
    name=st.text(st.characters(), max_size=5),
)
def test_a_record_is_always_one_line_of_strict_json(text: str, number: float, name: str) -> None:
    """Lone surrogates, integers beyond 64 bits and NaN come from key metadata and provider answers."""
    made = record(
        entry_model=text,
        tenant=Tenant(team=text),
        domain=DomainFields(text, number, "model"),
        scores=ScoreFields({name: number}),
        tokens=TokenFields(input=number),  # type: ignore[arg-type]
        causes=[text],
    )
    line = made.to_json()
    assert b"\n" not in line
    assert json.loads(line)["causes"]
    assert made.as_dict()["call_type"] == "chat"


def test_what_json_cannot_hold_is_written_as_its_repr() -> None:
    assert orjson.loads(record(deployment=b"\xff").to_json())["deployment"] == r"b'\xff'"
    odd = orjson.loads(record(deployment=b"\xff", entry_model="a\ud800").to_json())
    assert (odd["deployment"], odd["entry_model"]) == (r"b'\xff'", "a?")


# ---------------------------------------------------------------- text


def test_text_is_kept_only_as_the_policy_says() -> None:
    assert logged_text("call 555", "off") is None
    assert logged_text("call 555", "full") == "call 555"
    assert logged_text("call 555", "redacted") == "call ###"


@pytest.mark.parametrize(
    ("secret", "kept"),
    [
        ("write to ann.lee+x@mail.example.co.uk today", "write to # today"),
        ("root@localhost, please", "#, please"),
        ("müller@exämple.de", "#"),
        ("key sk-abcdefghijklmnopqrstuvwxyz_ABCDEF end", "key # end"),
        ("eyJhbGciOiJIUzUxMiJ9abcdef.eyJzdWIiOiJqb2huLmRvZSIsIm5", "#.#"),
        ("4111 1111 1111 1111", "#### #### #### ####"),
        ("tel ٠١٢", "tel ###"),
        ("plain words stay", "plain words stay"),
    ],
)
def test_addresses_tokens_and_digits_are_masked(secret: str, kept: str) -> None:
    assert logged_text(secret, "redacted") == kept


@given(st.integers(TEXT_LIMIT - 30, TEXT_LIMIT + 5))
def test_the_cut_leaves_no_half_address(at: int) -> None:
    text = "x " * (at // 2) + "john.smith@example.com"
    assert "@" not in (logged_text(text, "redacted") or "")


@given(st.text(st.characters(), max_size=100))
def test_logged_text_never_raises_and_is_bounded(text: str) -> None:
    for level in ("redacted", "full"):
        kept = logged_text(text * 100, level)
        assert kept is not None
        assert len(kept) <= TEXT_LIMIT
        kept.encode("utf-8")


def test_masking_is_linear() -> None:
    """`a.a.a.…` took 80 ms on the event loop when each letter was tried as the start of an address."""
    program = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
from custom_router.records.record import logged_text
for _ in range(100):
    for piece in ("a.", "a", "a-", "-", "@", "a@", "1", " "):
        logged_text(piece * 4000, "redacted")
print("done")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "done", run.stderr or run.returncode


# ---------------------------------------------------------------- cost

dollars = st.floats(0, 100)


@given(dollars, st.none() | dollars, dollars, dollars, dollars, dollars)
def test_saved_is_the_baseline_less_everything_spent(
    first: float, frontier: float | None, escalation: float, checked: float, embedded: float, vllm: float
) -> None:
    elsewhere = {"simple": 0.1} if frontier is None else {"simple": 0.1, "frontier": frontier}
    cost = cost_of(first, elsewhere, escalation=escalation, self_check=checked, embedding=embedded)
    charge_vllm(cost, vllm)
    assert (cost.first_attempt, cost.escalation, cost.self_check) == (first, escalation, checked)
    assert cost.classifier == pytest.approx(checked + embedded + vllm)
    assert cost.total == pytest.approx(first + escalation + cost.classifier)
    assert cost.alternatives == elsewhere
    assert cost.frontier_baseline == frontier
    if frontier is None:
        assert cost.saved is None
    else:
        assert cost.saved == pytest.approx(frontier - first - escalation - checked - embedded - vllm, abs=1e-9)


def test_an_unknown_price_is_unknown_not_free() -> None:
    unbilled = cost_of(None, {"frontier": 1.0})
    charge_vllm(unbilled, 0.5)
    assert (unbilled.total, unbilled.saved, unbilled.vllm, unbilled.classifier) == (None, None, 0.5, 0.5)


def test_a_replacement_without_a_price_is_not_free() -> None:
    cost = cost_of(0.001, {"frontier": 0.05}, priced=False)
    assert (cost.total, cost.saved, cost.first_attempt, cost.frontier_baseline) == (None, None, 0.001, 0.05)


def test_a_request_without_tokens_claims_no_saving() -> None:
    assert cost_of(0.0, {}).saved is None


def test_the_processor_is_paid_for_the_time_that_deciding_took() -> None:
    assert processor_cost({"overhead": 36.0, "vllm": 26.0}, 0.36) == pytest.approx(1e-6)
    assert processor_cost({"overhead": 5.0, "vllm": 26.0}, 0.36) == 0.0
    assert processor_cost({}, 0.36) == 0.0
