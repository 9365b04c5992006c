"""How well rules and model recognise domains: held-out rows, sources left out, sources never trained on, controls."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.domains.model import DomainModel, KernelHead
from custom_router.domains.rules import DomainRules
from custom_router.domains.screen import DomainScreen
from custom_router.encoder import MiniLMEncoder, StaticEncoder, Vectors
from custom_router.learn.domain_rows import NAMES, NONE, SOURCES, Row, encode_rows, read_rows
from custom_router.learn.domain_training import fit
from custom_router.learn.head_training import view_of
from custom_router.policy.schema import DomainPolicy

Flags = npt.NDArray[np.bool_]
"""Which domains flag which rows, shape (n, k)."""

# What a first attempt would list: the baseline that rules and model have to beat.
_KEYWORDS = {
    "finance": "bank loan tax stock money invest credit interest account price payment insurance fund profit",
    "legal": "law legal court contract judge lawyer rights sue agreement clause liability case statute privacy",
}
SYSTEMS = ("keywords", "shuffled", "rules", "model", "rules+model", "served")
"""`served` is what requests get: rules, then the model on what the screen lets through; `rules+model` is without the
screen."""


def keyword_flags(rows: Sequence[Row]) -> Flags:
    """The plain keyword baseline."""
    patterns = [re.compile(rf"\b(?:{'|'.join(_KEYWORDS[name].split())})s?\b", re.IGNORECASE) for name in NAMES]
    return np.array([[pattern.search(row.text) is not None for pattern in patterns] for row in rows])


def rule_flags(rows: Sequence[Row], policy: Mapping[str, DomainPolicy]) -> Flags:
    """The policy's rules."""
    compiled = [DomainRules.compile(name, policy[name].rules) for name in NAMES]
    return np.array([[rules.match(row.text, 1.0) is not None for rules in compiled] for row in rows])


def model_flags(head: KernelHead, thresholds: Mapping[str, float], vectors: Vectors) -> Flags:
    """Probabilities at or above the thresholds."""
    return np.asarray(head.probabilities(vectors) >= np.array([thresholds[name] for name in NAMES]))


def screened_in(rows: Sequence[Row], thresholds: Mapping[str, float], encoder_version: str) -> Flags:
    """Which rows (n,) the shipped screen sends to the domain model."""
    static = StaticEncoder.load()
    head = EmbeddingClassifier.load(encoder_version=static.version)
    screen = DomainScreen.load(static_version=static.version, encoder_version=encoder_version)
    found = []
    for row in rows:
        view = view_of(row.text)
        read = static.read(view.bounded)
        found.append(screen.could_match(read.embeddings, head.typicality.score(view, read.vector), thresholds))
    return np.array(found)


def held_out_figures(
    rows: Sequence[Row], probabilities: npt.NDArray[Any], thresholds: Mapping[str, float]
) -> dict[str, float]:
    """Figures of the model alone on held-out rows of the training sources, for the artifact's metadata."""
    flags = probabilities >= np.array([thresholds[name] for name in NAMES])
    held = np.array([row.held_out and row.source in SOURCES for row in rows])
    figures = {
        f"recall_{name}": float(flags[held & _is(rows, name), column].mean()) for column, name in enumerate(NAMES)
    }
    for kind, hard in (("plain", False), ("hard", True)):
        chosen = held & _is(rows, NONE) & np.array([row.hard == hard for row in rows])
        figures[f"false_flags_{kind}"] = float(flags[chosen].any(1).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def left_out(rows: Sequence[Row], vectors: Vectors, source: str) -> Flags:
    """Flags by a model that was fitted, calibrated and given its thresholds without `source`."""
    kept = np.array([row.fitted and row.source != source for row in rows])
    result = fit([row for row in rows if row.fitted and row.source != source], vectors[kept])
    return model_flags(result.head, result.thresholds, vectors)


def shuffled(rows: Sequence[Row], vectors: Vectors) -> Flags:
    """The control: the same fit on labels dealt out at random among the training rows."""
    kept = np.array([row.fitted for row in rows])
    training = [row for row in rows if row.fitted]
    dealt = np.random.default_rng(0).permutation([row.domain for row in training])
    result = fit([replace(r, domain=str(d)) for r, d in zip(training, dealt, strict=True)], vectors[kept])
    return model_flags(result.head, result.thresholds, vectors)


def _is(rows: Sequence[Row], domain: str) -> Flags:
    return np.array([row.domain == domain for row in rows])


def _table(
    title: str, rows: Sequence[Row], chosen: Flags, flags: Mapping[str, Flags]
) -> dict[str, dict[str, list[float]]]:
    """Print recall and false flags by source; return the rates of each system by kind of row, a value a source."""
    print(f"\n{title}\n{'source':<28}{'rows of':<10}{'n':>6}" + "".join(f"{s:>13}" for s in SYSTEMS) + "     either")
    groups = np.array([row.source.split(":")[0] for row in rows])
    rates: dict[str, dict[str, list[float]]] = {}
    kinds = {
        **{name: (_is(rows, name), column) for column, name in enumerate(NAMES)},
        "plain": (_is(rows, NONE) & np.array([not row.hard for row in rows]), None),
        "hard": (_is(rows, NONE) & np.array([row.hard for row in rows]), None),
        "unlabelled": (_is(rows, "unlabelled"), None),
    }
    for kind, (mask, column) in kinds.items():
        for group in dict.fromkeys(groups[chosen & mask]):
            asked = chosen & mask & (groups == group)
            got = {
                name: float((f[asked].any(1) if column is None else f[asked, column]).mean())
                for name, f in flags.items()
            }
            for name, rate in got.items():
                rates.setdefault(kind, {}).setdefault(name, []).append(rate)
            either = flags["served"][asked].any(1).mean()
            cells = "".join(f"{got[s]:>13.3f}" for s in SYSTEMS)
            print(f"{group:<28}{kind:<10}{asked.sum():>6}{cells}{either:>11.3f}")
        asked = chosen & mask
        if asked.any() and len(set(groups[asked])) > 1:
            pooled = (
                float((f[asked].any(1) if column is None else f[asked, column]).mean())
                for f in (flags[s] for s in SYSTEMS)
            )
            print(f"{'  all rows':<28}{kind:<10}{asked.sum():>6}" + "".join(f"{rate:>13.3f}" for rate in pooled))
            means = (np.mean(rates[kind][s]) for s in SYSTEMS)
            print(f"{'  mean of sources':<28}{kind:<10}{'':>6}" + "".join(f"{mean:>13.3f}" for mean in means))
    return rates


def _skips(rows: Sequence[Row], asked: Flags, caught: Flags, fitted: Flags) -> None:
    """Print how often the screen spares the sentence encoder, on rows of no domain that no rule caught."""
    print("\nSPARED THE SENTENCE ENCODER: rows not of a domain, not fitted on, not caught by a rule")
    groups = np.array([row.source.split(":")[0] for row in rows])
    plain = ~_is(rows, "finance") & ~_is(rows, "legal") & ~caught & ~fitted
    shares = []
    for group in dict.fromkeys(groups[plain]):
        chosen = plain & (groups == group)
        shares.append(float((~asked[chosen]).mean()))
        print(f"{group:<28}{chosen.sum():>6}{shares[-1]:>13.3f}")
    print(f"{'  mean of sources':<34}{np.mean(shares):>13.3f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="eval_domains", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds domain.jsonl.gz")
    parser.add_argument("--policy", type=Path, default=Path("routing_policy.yaml"), help="rules and thresholds")
    parser.add_argument("--fp32", action="store_true", help="read the artifact with the fp32 encoder")
    parser.add_argument("--vectors", type=Path, help="keep vectors in this .npz file between runs")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    document = yaml.safe_load(arguments.policy.read_text(encoding="utf-8"))
    policy = {name: DomainPolicy.model_validate(document["domains"][name]) for name in NAMES}
    thresholds = {name: domain.threshold for name, domain in policy.items() if domain.threshold is not None}
    encoder = MiniLMEncoder.load(precision="fp32" if arguments.fp32 else "int8")
    model = DomainModel.load(encoder_version=encoder.version)
    rows = read_rows(arguments.data)
    vectors = encode_rows(rows, encoder, arguments.vectors)
    rules = rule_flags(rows, policy)

    flags = {"keywords": keyword_flags(rows), "shuffled": shuffled(rows, vectors), "rules": rules}
    flags["model"] = model_flags(model.head, thresholds, vectors)
    flags["rules+model"] = rules | flags["model"]
    asked = screened_in(rows, thresholds, encoder.version)
    flags["served"] = rules | (flags["model"] & asked[:, None])
    trained = np.array([row.source in SOURCES for row in rows])
    held = np.array([row.held_out for row in rows])
    print(f"encoder {encoder.version}, thresholds {thresholds}, policy {arguments.policy.name}")
    print("recall of rows of a domain; share flagged by any domain for plain, hard and unlabelled rows")
    _table("HELD-OUT ROWS of the training sources (shipped artifact)", rows, trained & held, flags)
    never = _table("SOURCES NEVER TRAINED ON (shipped artifact)", rows, ~trained, flags)
    out = {name: flag.copy() for name, flag in flags.items()}
    sources = np.array([row.source for row in rows])
    for source in SOURCES:
        mine = sources == source
        out["model"][mine] = left_out(rows, vectors, source)[mine]
    out["rules+model"] = out["model"] | rules
    out["served"] = rules | (out["model"] & asked[:, None])  # by the shipped screen, which saw the source's texts
    left = _table("EACH TRAINING SOURCE LEFT OUT (fitted, calibrated, thresholds without it)", rows, trained, out)
    _skips(rows, asked, np.any(rules, axis=1), np.array([row.fitted for row in rows]))
    print("\nmean over all sources not trained on, served:")
    for name in NAMES:
        values = left[name]["served"] + never[name]["served"]
        print(f"  {name:<8} recall {np.mean(values):.3f} over {len(values)} sources")


if __name__ == "__main__":
    main()
