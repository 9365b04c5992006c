"""Reading outcome rows, sampling them, and checking answers against records."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from custom_router.bench.outcomes import read_rows, stratified
from custom_router.bench.replay import HEADERS, Replayed, audit
from custom_router.headers import decision_headers
from custom_router.records.record import DecisionRecord, TokenFields
from custom_router.tiers import Tier

TIERS = {"small": "s", "mid": "m", "strong": "l"}


def row(number: int, source: str, prompt: str, **changes: Any) -> dict[str, Any]:
    models = {
        "s": {"score": 0.0, "in_tokens": 7, "out_tokens": 3},
        "m": {"score": 0.5, "in_tokens": 7, "out_chars": 9},
        "l": {"score": 1.0},
    }
    return {"id": f"r{number}", "source": source, "prompt": prompt, "models": models, "tiers": TIERS} | changes


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(folder / "router.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in rows)
    return folder


def test_reads_scores_and_tokens_of_each_tier_s_model(tmp_path: Path) -> None:
    (found,) = read_rows(write(tmp_path, [row(1, "cascade_mmlu", "x" * 10)]))
    assert found.score == (0.0, 0.5, 1.0)
    # Recorded counts first; else a token for every four characters, rounded up.
    assert found.tokens == (TokenFields(7, 3), TokenFields(7, 3), TokenFields(3, 0))


def test_leaves_out_what_cannot_be_judged_or_was_trained_on(tmp_path: Path) -> None:
    rows = [
        row(1, "mmlu_pro", "Which river is longest?\nA. one\nB. two"),
        row(2, "cascade_mmlu", "which River is longest\nA. other\nB. options"),
        row(3, "cascade_mmlu", "No middle model", tiers={"small": "s", "strong": "l"}),
        row(4, "cascade_mmlu", ""),
        row(5, "alpacaeval1", "A source that is not replayed"),
        row(6, "cascade_gsm8k", "Kept"),
        row(7, "cascade_gsm8k", "Kept"),
    ]
    assert [found.prompt for found in read_rows(write(tmp_path, rows))] == ["Kept"]


def test_sample_is_even_over_sources_and_repeatable(tmp_path: Path) -> None:
    rows = [row(n, "cascade_mmlu", f"a {n}") for n in range(50)]
    rows += [row(100 + n, "cascade_gsm8k", f"b {n}") for n in range(3)]
    found = read_rows(write(tmp_path, rows))
    sample = stratified(found, 10, seed=1)
    assert Counter(one.source for one in sample) == {"cascade_mmlu": 7, "cascade_gsm8k": 3}
    assert len({one.id for one in sample}) == 10
    assert sample == stratified(found, 10, seed=1) != stratified(found, 10, seed=2)
    assert len(stratified(found, 1_000, seed=1)) == 53


def record(request_id: str, tier: str = "simple", **scores: float) -> dict[str, Any]:
    return {"request_id": request_id, "tier": tier, "scores": {"p_ok": scores or None}, "causes": ["score"]}


def answer(row_id: str, request_id: str, **changes: str) -> Replayed:
    headers = dict.fromkeys(HEADERS, "none") | {"x-router-request-id": request_id, "x-router-tier": "simple"}
    return Replayed(row_id, 200, headers | {name.replace("_", "-"): value for name, value in changes.items()})


def test_clean_run_joins_answers_and_records() -> None:
    routed, checked = audit([answer("r1", "a"), answer("r2", "b")], [record("b"), record("a", simple=0.8)])
    assert checked.clean
    assert [(r.id, r.tier) for r in routed] == [("r1", Tier.SIMPLE), ("r2", Tier.SIMPLE)]
    assert routed[0].need == pytest.approx(0.2)
    assert math.isnan(routed[1].need)


@pytest.mark.parametrize(
    ("sent", "records", "broken"),
    [
        (Replayed("r1", 0, {}), [], "unanswered"),
        (Replayed("r1", 500, answer("r1", "a").headers), [record("a")], "unanswered"),
        (answer("r1", "a", x_router_policy=""), [record("a")], "headers_missing"),
        (answer("r1", "a"), [], "without_record"),
        (answer("r1", "a"), [record("a"), record("a")], "with_several_records"),
        (answer("r1", "a"), [record("a"), record("z")], "records_of_no_request"),
        (answer("r1", "a", x_router_tier="medium"), [record("a")], "tier_differs"),
    ],
)
def test_every_broken_promise_is_found(sent: Replayed, records: list[dict[str, Any]], broken: str) -> None:
    _, checked = audit([sent], records)
    assert getattr(checked, broken) == 1
    assert not checked.clean


def test_headers_checked_are_the_ones_the_product_sends() -> None:
    blank = DecisionRecord.__dataclass_fields__
    assert "request_id" in blank
    made = DecisionRecord(**{name: _blank(name) for name, f in blank.items() if _required(f)})
    assert set(HEADERS) == set(decision_headers(made))


def _required(field: Any) -> bool:
    from dataclasses import MISSING

    return field.default is MISSING and field.default_factory is MISSING


def _blank(name: str) -> Any:
    from custom_router.records.record import Tenant

    return {"stream": False, "tenant": Tenant()}.get(name, "")
