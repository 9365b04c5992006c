"""The rating's weight and curves: found where it knows something, refused where it knows nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from custom_router.classify.base import Scores
from custom_router.classify.hybrid import combined
from custom_router.classify.opinion import Rating, log_odds, probability
from custom_router.cli import app
from custom_router.learn.rating_fit import LEAST_ROWS, Rated, fit_rating, read_rated
from custom_router.policy import Policy
from custom_router.tiers import Tier


def traffic(rows: int, knows: float, *, tier: Tier = Tier.SIMPLE, seed: int = 0) -> list[Rated]:
    """Answers whose truth is half the embedding's word and `knows` times the rating's."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(rows):
        own, rating = rng.normal(0.5, 0.8), rng.normal(0.0, 1.0)
        good = float(rng.random() < probability(0.5 * own + knows * rating))
        found.append(Rated(f"2026-01-01T00:00:{number:06d}", tier, own, rating, good))
    return found


def test_a_rating_that_knows_something_gets_its_weight() -> None:
    fit = fit_rating(traffic(4_000, 1.5) + traffic(2_000, 1.5, tier=Tier.MEDIUM, seed=1))
    assert fit.worth_it
    assert fit.gain.value > 0.05
    assert fit.weight * fit.calibration.simple.slope == pytest.approx(1.5, abs=0.25)
    assert fit.weight * fit.calibration.medium.slope == pytest.approx(1.5, abs=0.35)
    assert fit.rows == {Tier.SIMPLE: 4_000, Tier.MEDIUM: 2_000}


@pytest.mark.parametrize("knows", [0.0, -1.5])
def test_a_rating_that_knows_nothing_moves_nothing(knows: float) -> None:
    """Also one that says the opposite; nor does it take credit for the embedding's being calibrated anew."""
    fit = fit_rating(traffic(4_000, knows))
    assert fit.weight * fit.calibration.simple.slope == pytest.approx(0.0, abs=0.08)
    assert fit.gain.low <= 0.001


def test_a_shuffled_rating_does_not_gain_more_than_none() -> None:
    rows = traffic(4_000, 1.5)
    ratings = np.random.default_rng(5).permutation([row.rating for row in rows])
    shuffled = [Rated(r.time, r.tier, r.own, x, r.good) for r, x in zip(rows, ratings, strict=True)]
    assert fit_rating(shuffled).gain.value < fit_rating(rows).gain.value / 5


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{LEAST_ROWS} are the least"):
        fit_rating(traffic(LEAST_ROWS - 1, 1.0))
    with pytest.raises(ValueError, match="1 medium"):
        fit_rating(traffic(1_000, 1.0) + traffic(1, 1.0, tier=Tier.MEDIUM))


def record(row: Rated, **changes: Any) -> dict[str, Any]:
    name = row.tier.value
    scores = {"own": {name: probability(row.own)}, "vllm": {"log_odds": {name: row.rating}, "heard": False}}
    gate, outcome = {"escalated_to": None}, {"judge": row.good, "feedback": None}
    return {"time": row.time, "tier": name, "scores": scores, "gate": gate, "outcome": outcome, **changes}


def test_records_are_read_and_what_says_nothing_is_left_out() -> None:
    (row,) = traffic(1, 1.0)
    read = read_rated(json.dumps(record(row)).encode())
    assert read is not None
    assert (read.time, read.tier, read.rating, read.good) == (row.time, row.tier, row.rating, row.good)
    assert read.own == pytest.approx(row.own, abs=1e-6)
    for other in (
        record(row, outcome={"judge": None, "feedback": None}),
        record(row, gate={"escalated_to": "frontier"}),
        record(row, tier="frontier"),
        record(row, scores={"own": {}, "vllm": {"log_odds": {}}}),
        [],
        None,
    ):
        assert read_rated(json.dumps(other).encode()) is None
    assert read_rated(b"{") is None


def test_the_command_prints_a_policy_that_serves_what_was_fitted(tmp_path: Path) -> None:
    rows = traffic(2_000, 1.5)
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(record(row)) + "\n" for row in rows))
    run = CliRunner().invoke(app, ["fit-rating", "--data", str(path)])
    assert run.exit_code == 0, run.output
    printed = yaml.safe_load(run.output[run.output.index("classifier:") :])
    printed["classifier"] |= {"kind": "hybrid"}
    printed["classifier"]["vllm"]["url"] = "http://v"
    tiers = {"simple": {"model": "s", "threshold": 0.7}, "medium": {"model": "m", "threshold": 0.8}}
    document = Policy.parse(yaml.safe_dump({"tiers": {**tiers, "frontier": {"model": "f"}}, **printed})).document
    fit = fit_rating(rows)
    p = combined(Scores({Tier.SIMPLE: 0.6, Tier.MEDIUM: 0.7}), Rating(dict.fromkeys(Tier, 1.2)), document, "v").p_ok
    curve = fit.calibration.simple
    expected = (1 - fit.weight) * log_odds(0.6) + fit.weight * (curve.intercept + curve.slope * 1.2)
    assert p[Tier.SIMPLE] == pytest.approx(probability(expected), abs=1e-4)


def test_the_command_refuses_a_gain_within_noise(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    rng = np.random.default_rng(3)
    rows = [
        Rated(f"{n:06d}", Tier.SIMPLE, own, rng.normal(), float(rng.random() < probability(own)))
        for n, own in enumerate(rng.normal(0.5, 0.8, 1_000))
    ]
    path.write_text("".join(json.dumps(record(row)) + "\n" for row in rows))
    run = CliRunner().invoke(app, ["fit-rating", "--data", str(path)])
    assert run.exit_code == 1
    assert "leave the policy as it is" in run.output
