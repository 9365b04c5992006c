"""Train the domain model on labelled prompts and write the artifact that ships with the package."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from custom_router.domains.model import FORMAT, DomainModel
from custom_router.encoder import MiniLMEncoder
from custom_router.learn.domain_evaluation import held_out_figures
from custom_router.learn.domain_rows import NAMES, SOURCES, Row, encode_rows, read_rows
from custom_router.learn.domain_training import GAMMA, PRIOR, fit

logger = logging.getLogger(__name__)

SHARED_ENCODERS = {"minilm-l6-v2/int8-pc": ("minilm-l6-v2/int8-pc", "minilm-l6-v2/fp32")}
"""int8 and fp32 vectors of the same weights get different flags on under 1 % of texts."""


def metadata_of(rows: Sequence[Row], thresholds: dict[str, float], encoders: Sequence[str]) -> dict[str, Any]:
    """What the artifact says about itself. `encoders` are the versions whose vectors it may read."""
    counts = Counter((row.source, row.domain) for row in rows)
    return {
        "format": FORMAT,
        "names": list(NAMES),
        "gamma": GAMMA,
        "encoders": list(encoders),
        "sources": {
            source: {"licence": licence, "rows": {d: n for (s, d), n in sorted(counts.items()) if s == source}}
            for source, licence in SOURCES.items()
        },
        "thresholds": thresholds,
        "prior": PRIOR,
    }


def main() -> None:
    """Fit and write the artifact; print the thresholds for the policy."""
    parser = argparse.ArgumentParser(prog="train_domains", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds domain.jsonl.gz")
    parser.add_argument("--output", type=Path, default=Path("custom_router/artifacts/domains.npz"))
    parser.add_argument("--vectors", type=Path, help="keep vectors in this .npz file between runs")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    encoder = MiniLMEncoder.load()
    rows = read_rows(arguments.data)
    vectors = encode_rows(rows, encoder, arguments.vectors)
    fitted = np.array([row.fitted for row in rows])
    training = [row for row in rows if row.fitted]
    logger.info("fitting on %d rows", len(training))
    result = fit(training, vectors[fitted])
    metadata = metadata_of(training, result.thresholds, SHARED_ENCODERS.get(encoder.version, (encoder.version,)))
    metadata["held_out"] = held_out_figures(rows, result.head.probabilities(vectors), result.thresholds)
    DomainModel(result.head, metadata).save(arguments.output)
    logger.info("wrote %s; thresholds for the policy: %s", arguments.output, result.thresholds)


if __name__ == "__main__":
    main()
