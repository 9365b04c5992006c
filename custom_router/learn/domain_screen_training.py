"""Fit the domain screen: a small network that predicts the domain model, and the margins under which it may skip it.

Written for requests that no rule has caught; texts that the shipped rules match count for no margin.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from custom_router.domains.model import DomainModel
from custom_router.domains.rules import DomainRules
from custom_router.domains.screen import FORMAT, DomainScreen, WindowNetwork
from custom_router.domains.text import RuleText
from custom_router.encoder import MiniLMEncoder, StaticEncoder
from custom_router.encoder.source import default_cache_root
from custom_router.learn.domain_rows import NAMES, read_rows
from custom_router.learn.domain_screen_network import fit_network
from custom_router.learn.domain_screen_rows import LICENCES_OF_ALL, SPANS, Teaching, teach, teaching_rows
from custom_router.learn.head_training import view_of
from custom_router.learn.outcomes import encode_cached, read_outcomes
from custom_router.policy.schema import DomainPolicy

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]

EPOCHS, FOLD_EPOCHS = 10, 4
FOLDS = ({"banking77", "seeds"}, {"mmlu"}, {"clinc150", "tatqa", "consumer_contracts_qa"})
"""Families left out together: each domain has rows in every fold."""
LEVELS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05)
LOST = 0.02
"""Share of the domain model's flags, on rows of families left out that no rule catches, which the screen may lose."""


def predict(network: WindowNetwork, table: npt.NDArray[np.float16], teaching: Teaching) -> Floats:
    """Predicted logits (n, k); infinite for a text without tokens, which the screen never rules out."""
    found = np.full(teaching.logits.shape, np.inf)
    for row, ids in enumerate(teaching.tokens):
        if len(ids):
            found[row] = network.logits(table[ids].astype(np.float32))
    return found


def unseen_predictions(teaching: Teaching, whole: int, table: npt.NDArray[np.float16]) -> Floats:
    """Predictions (whole, k) of the first `whole` rows by a network that saw nothing of their family; NaN for
    families that are never left out."""
    found = np.full((whole, teaching.logits.shape[1]), np.nan)
    for families in FOLDS:
        out = np.array([not own.isdisjoint(families) for own in teaching.families])
        kept = teaching.where(~out)
        network = fit_network(table, kept.tokens, kept.logits, kept.weight, epochs=FOLD_EPOCHS)
        rows = out.copy()
        rows[whole:] = False
        found[out[:whole]] = predict(network, table, teaching.where(rows))
    return found


@dataclass(frozen=True)
class Evidence:
    """Rows of families left out: `predicted` and the domain model's own `logits` (n, k), `caught` by a rule (n,), and
    `limits` (k,), the logits of the shipped thresholds."""

    predicted: Floats
    logits: Floats
    caught: npt.NDArray[np.bool_]
    limits: Floats

    @property
    def flagged(self) -> npt.NDArray[np.bool_]:
        """Which rows the domain model flags for which domain, where no rule did (n, k)."""
        return np.asarray(np.where(self.caught[:, None], False, self.logits >= self.limits), bool)

    def margins(self, lost: float) -> Floats:
        """Margin of each domain (k,): `lost` of its flags are predicted further than that below the threshold."""
        flagged = self.flagged
        return np.array(
            [self.limits[k] - np.quantile(self.predicted[flagged[:, k], k], lost) for k in range(len(self.limits))]
        ).round(2)

    def point(self, lost: float) -> dict[str, Any]:
        """The trade-off at one level: shares of the rows without and with a flag that skip the domain model."""
        margins = self.margins(lost)
        skipped = np.all(self.predicted + margins < self.limits, axis=1)
        flagged = self.flagged.any(axis=1)
        return {
            "level": lost,
            "margins": margins.tolist(),
            "skipped_of_unflagged": round(float(skipped[~flagged & ~self.caught].mean()), 4),
            "lost_of_flagged": round(float(skipped[flagged].mean()), 4),
        }


def evidence(
    unseen: Floats, logits: Floats, texts: Sequence[str], policy: Mapping[str, DomainPolicy], model: DomainModel
) -> Evidence:
    """What the margins are chosen from: `unseen` (n, k) from `unseen_predictions`, `logits` (n, k), `texts` (n,)."""
    thresholds = np.array([model.metadata["thresholds"][name] for name in NAMES])
    rules = [DomainRules.compile(name, policy[name].rules) for name in NAMES]
    judged = np.flatnonzero(np.isfinite(unseen).all(axis=1)).tolist()
    read = [RuleText.of(view_of(texts[i]).searched) for i in judged]
    caught = np.array([any(rule.match(text, 1.0) is not None for rule in rules) for text in read])
    return Evidence(unseen[judged], logits[judged], caught, np.log(thresholds / (1 - thresholds)))


def finish(network: WindowNetwork, found: Evidence, sources: Sequence[str], versions: dict[str, Any]) -> DomainScreen:
    """The screen with its margins and what it says about itself."""
    counts = Counter(source.split(":")[0] for source in sources)
    metadata = {
        "format": FORMAT,
        "names": list(NAMES),
        **versions,
        "margins": dict(zip(NAMES, found.margins(LOST).tolist(), strict=True)),
        "target": "the domain model's logits; no label is used",
        "sources": {source: {"licence": LICENCES_OF_ALL[source], "rows": rows} for source, rows in counts.items()},
        "spans": SPANS,
        "families_left_out_together": [sorted(families) for families in FOLDS],
        "lost": LOST,
        "curve": [found.point(level) for level in LEVELS],
    }
    return DomainScreen(network, metadata)


def main() -> None:
    """Fit and write the artifact; print the trade-off that the margins were chosen from."""
    parser = argparse.ArgumentParser(prog="train_screen", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds domain.jsonl.gz, router.jsonl.gz")
    parser.add_argument("--policy", type=Path, default=Path("routing_policy.yaml"), help="rules")
    parser.add_argument("--output", type=Path, default=Path("custom_router/artifacts/domain_screen.npz"))
    parser.add_argument("--cache", type=Path, help="folder for the sentence encoder's vectors")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder, static = MiniLMEncoder.load(), StaticEncoder.load()
    model = DomainModel.load(encoder_version=encoder.version)
    texts, sources = teaching_rows(read_rows(arguments.data), read_outcomes(arguments.data))
    encode = partial(encode_cached, encoder=encoder, directory=arguments.cache or default_cache_root())
    teaching = teach(texts, sources, encode, static, model)
    document = yaml.safe_load(arguments.policy.read_text(encoding="utf-8"))
    policy = {name: DomainPolicy.model_validate(document["domains"][name]) for name in NAMES}
    network = fit_network(static.table, teaching.tokens, teaching.logits, teaching.weight, epochs=EPOCHS)
    unseen = unseen_predictions(teaching, len(texts), static.table)
    found = evidence(unseen, teaching.logits[: len(texts)], texts, policy, model)
    versions = {"static": static.version, "encoders": model.metadata["encoders"]}
    screen = finish(network, found, sources, versions)
    screen.save(arguments.output)
    for point in screen.metadata["curve"]:
        logger.info("%s", point)
    logger.info("wrote %s; margins %s", arguments.output, screen.metadata["margins"])


if __name__ == "__main__":
    main()
