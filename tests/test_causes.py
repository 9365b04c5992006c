"""Causes are a closed, documented vocabulary."""

from __future__ import annotations

import re

from custom_router.causes import MEANING, Cause


def test_every_cause_has_one_meaning_and_every_meaning_a_cause() -> None:
    assert set(MEANING) == set(Cause)
    assert len(set(MEANING.values())) == len(MEANING)


def test_causes_fit_headers_and_metric_labels() -> None:
    for cause in Cause:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cause.value)
        assert cause.value == cause.name.lower()
