"""The examples that ship, and which of them a prompt is like."""

from __future__ import annotations

import pytest

from custom_router.encoder import StaticEncoder
from custom_router.receipts.nearest import NearestExamples, examples


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load()


def test_every_example_has_a_label_that_is_ours() -> None:
    kinds = {(example.kind, example.label) for example in examples()}
    assert {("domain", "finance"), ("domain", "legal"), ("domain", "none"), ("intent", "code")} <= kinds
    assert all(example.text.strip() for example in examples())
    assert len(examples()) > 1_000


def test_an_example_is_nearest_to_itself_and_labels_fit(encoder: StaticEncoder) -> None:
    nearest = NearestExamples()
    for example in examples()[::200]:
        first = nearest.of(example.text, encoder)[0]
        assert first.similarity == pytest.approx(1.0, abs=1e-3)
    near = nearest.of("How is the capital gains tax on shares calculated?", encoder, 3)
    assert {each.label for each in near} == {"finance"}
    assert [each.similarity for each in near] == sorted((each.similarity for each in near), reverse=True)


def test_nothing_is_like_nothing(encoder: StaticEncoder) -> None:
    assert NearestExamples().of("", encoder) == []
