"""What fits the cache's probability, and what judges it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from custom_router.cache.guards import Guard
from custom_router.encoder import FakeEncoder
from custom_router.learn.cache_evaluation import recall_at
from custom_router.learn.cache_pairs import Embedded, Judged, Pair, intent_pairs, labelled_pairs
from custom_router.learn.cache_replay import replay
from custom_router.learn.cache_swaps import swapped_pairs
from custom_router.learn.cache_systems import cosine_alone, simple_guard
from custom_router.learn.cache_training import fit, threshold


def write_lines(path: Path, rows: Sequence[object]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(row)}\n" for row in rows)


def drawn(count: int, seed: int = 0) -> list[Judged]:
    """Pairs whose chance to mean the same is a logistic curve of intercept -4 and slope 3."""
    rng = np.random.default_rng(seed)
    cosines = rng.uniform(0.81, 0.99, count)
    chance = 1 / (1 + np.exp(4 + 3 * np.log(1 - cosines)))
    same = rng.random(count) < chance
    return [
        Judged(Pair("drawn", "a", "b", bool(is_same), "other"), float(cosine), None)
        for cosine, is_same in zip(cosines, same, strict=True)
    ]


def test_the_curve_that_the_pairs_were_drawn_from_is_found() -> None:
    found = fit(drawn(20_000), z=0.0)
    assert found.intercept == pytest.approx(-4, abs=0.3)
    assert found.slope == pytest.approx(3, abs=0.2)


def test_fewer_pairs_are_trusted_less() -> None:
    few, many = fit(drawn(300)), fit(drawn(20_000))
    assert threshold(few, 0.05) > threshold(many, 0.05)


def test_what_a_guard_refuses_does_not_shape_the_curve() -> None:
    pairs = drawn(500)
    refused = [Judged(Pair("drawn", "a", "b", False, "number"), 0.99, Guard.NUMBER)] * 500
    assert fit([*pairs, *refused]).intercept == fit(pairs).intercept
    assert fit([*pairs, *refused]).sources[0].refused == 500


def test_pairs_are_made_of_near_questions_of_one_source(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "domain.jsonl.gz",
        [
            {"source": "s", "text": "reset the pin of a card", "sub": "pin"},
            {"source": "s", "text": "Reset the pin of a card", "sub": "pin"},
            {"source": "s", "text": "reset the pin of a card please", "sub": "pin"},
            {"source": "s", "text": "reset the pin of a phone card", "sub": "other"},
            {"source": "t", "text": "reset the pin of a card", "sub": "pin"},
        ],
    )
    pairs = intent_pairs(tmp_path, ["s"], Embedded(FakeEncoder()))
    assert {(pair.a, pair.b, pair.same) for pair in pairs} == {
        ("reset the pin of a card", "reset the pin of a card please", True),
        ("reset the pin of a card", "reset the pin of a phone card", False),
        ("reset the pin of a card please", "reset the pin of a phone card", False),
    }


def test_labelled_pairs_are_read(tmp_path: Path) -> None:
    row = {"id": 1, "source": "s", "a": "x", "b": "y", "label": 1, "diff": ["number", "entity"]}
    write_lines(tmp_path / "cache_pairs.jsonl.gz", [row])
    assert labelled_pairs(tmp_path) == [Pair("s", "x", "y", True, "number+entity")]


def test_a_replay_counts_right_wrong_and_repeatable() -> None:
    queries = [("a b c d", "1"), ("a b c d", "1"), ("a b c e", "2"), ("w x y z", "3"), ("a b c d f", "1")]
    done = replay(queries, Embedded(FakeEncoder()), cosine_alone(0.7))
    assert (done.queries, done.repeatable, done.right) == (5, 2, 2)
    assert [(stored, asked) for stored, asked, _ in done.wrong] == [("a b c d", "a b c e")]
    assert (done.recall, done.wrong_rate) == (1.0, 1 / 3)


def test_a_replay_through_a_cache_that_takes_nothing_serves_nothing() -> None:
    system = cosine_alone(0.0)
    closed = type(system)("closed", 0.0, system.accepts, lambda text: False)
    assert replay([("a", "1"), ("a", "1")], Embedded(FakeEncoder()), closed).hits == 0


def test_recall_at_a_precision() -> None:
    score = np.linspace(1, 0, 200)
    same = np.array([True] * 90 + [False] * 10 + [True] * 100)
    assert recall_at(score, same, 0.9) == 1.0
    assert recall_at(score, ~same, 0.9) == 0.0


def test_the_simple_guard_knows_digits_negation_and_names() -> None:
    assert simple_guard("How is it in Rome?", "What is it like in Rome?")
    assert not simple_guard("How is it in Rome?", "How is it in Oslo?")
    assert not simple_guard("Why 5?", "Why 6?")
    assert not simple_guard("Why go?", "Why not go?")


def test_swapped_pairs_differ_and_none_is_twice_there() -> None:
    pairs = swapped_pairs()
    assert all(pair.a != pair.b and not pair.same for pair in pairs)
    assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == len(pairs)
