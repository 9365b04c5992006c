"""A team's labelled traffic as arrays, in order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custom_router.classify.features import surface_features
from custom_router.learn.head_training import Prompts
from custom_router.learn.labelled import labelled_lines
from custom_router.learn.outcomes import Encode
from custom_router.learn.own_lines import OwnLine, read_own_line
from custom_router.tiers import TIERS, Tier

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class OwnRows:
    """`prompts` in order of time; `labels` (n, 2) whether simple and medium are good enough, 0 to 1, NaN unknown;
    `scores` (n, 3) of the three tiers' answers, NaN where not tried, as are `cost` (n, 3) in USD and the gate's
    `confidence` (n, 2); `when` (n,) seconds, or line numbers without a time."""

    prompts: Prompts
    labels: Floats
    scores: Floats
    when: Floats
    confidence: Floats
    cost: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, share: float) -> tuple[OwnRows, OwnRows]:
        """The earlier rows, and the last `share` of them in time."""
        later = np.arange(len(self)) >= round(len(self) * (1.0 - share))
        return self.where(~later), self.where(later)

    def where(self, mask: Mask) -> OwnRows:
        """The rows that `mask` (n,) keeps."""
        return OwnRows(
            self.prompts.where(mask),
            self.labels[mask],
            self.scores[mask],
            self.when[mask],
            self.confidence[mask],
            self.cost[mask],
        )


def read_own(paths: Iterable[Path], left_out: Counter[str]) -> Iterator[OwnLine]:
    """What `labelled_lines` can be learned from. Raises `OSError`, `EOFError`.

    Lines that cannot be learned from are counted in `left_out` by their reason.
    """
    for line in labelled_lines(paths):
        read = read_own_line(line.raw, line.feedback)
        if isinstance(read, OwnLine):
            yield read
        else:
            left_out[read] += 1


def own_rows(lines: Iterable[OwnLine], encode: Encode, progress: Callable[[int], None] = lambda done: None) -> OwnRows:
    """Encode lines and put them in order of time; where one has no time, all keep the order they came in.

    `progress` is told how many are done, now and then. Takes about a third of a millisecond a prompt.
    """
    given = list(lines)
    if all(line.when is not None for line in given):
        given.sort(key=lambda line: line.when or 0.0)
        when = np.array([line.when for line in given], np.float64)
    else:
        when = np.arange(len(given), dtype=np.float64)
    vectors, features = [], []
    for done, line in enumerate(given, 1):
        vectors.append(encode([line.view.bounded])[0])
        features.append(surface_features(line.view))
        if done % 200 == 0 or done == len(given):
            progress(done)
    prompts = Prompts(
        [line.view for line in given],
        np.array(vectors, np.float32).reshape(len(given), -1),
        np.array(features, np.float32).reshape(len(given), -1),
        np.array([line.source for line in given], np.str_),
    )
    return OwnRows(
        prompts,
        _by_tier([line.ok for line in given], TIERS[:-1]),
        _by_tier([line.scores for line in given], TIERS),
        when,
        _by_tier([line.confidence for line in given], TIERS[:-1]),
        _by_tier([line.cost for line in given], TIERS),
    )


def _by_tier(values: Sequence[Mapping[Tier, float]], tiers: Sequence[Tier]) -> Floats:
    known = [[value.get(tier, np.nan) for tier in tiers] for value in values]
    return np.array(known, np.float64).reshape(len(values), len(tiers))
