"""Print how right and how useful the semantic cache is, beside what others do. Tables are Markdown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from custom_router.cache.acceptance import Acceptance
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.lexicon import Lexicon
from custom_router.encoder import MiniLMEncoder
from custom_router.encoder.base import Vectors
from custom_router.learn.cache_latency import measure, recall
from custom_router.learn.cache_pairs import Embedded, Pair, judged, labelled_pairs, rows
from custom_router.learn.cache_plot import Sweep, draw
from custom_router.learn.cache_replay import Replay, replay
from custom_router.learn.cache_swaps import swapped_pairs
from custom_router.learn.cache_systems import (
    COSINES,
    GPTCACHE,
    REDISVL,
    System,
    cosine_alone,
    cosine_with_simple_guard,
    product,
)
from custom_router.learn.cache_training import HARD, threshold
from custom_router.policy.cache import CachePolicy

Floats = npt.NDArray[np.float64]

PRECISION = 0.90
STORED, ASKED = 10_000, 1_000
"""Questions of the stream stored, and asked after them, to see what an approximate search finds."""
ERRORS = (0.005, 0.01, 0.02, 0.05, 0.10)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the evaluation data.", exists=True, file_okay=False)],
    out: Annotated[
        Path | None, typer.Option(help="Folder for cache.png and wrong_hits.jsonl.", file_okay=False)
    ] = None,
    stores: Annotated[bool, typer.Option(help="Measure the stores at 1k, 10k and 100k entries too.")] = False,
    redis: Annotated[
        list[str] | None, typer.Option(help="URL of a Redis to measure, which it fills and empties. More than once.")
    ] = None,
) -> None:
    """Judge the cache on pairs and on a stream, at the shipped operating point and around it."""
    policy = CachePolicy()
    embedded = Embedded(MiniLMEncoder.load())
    calibration = Acceptance.shipped().encoders[embedded.version]
    equivalence = Equivalence(calibration)
    least = threshold(calibration, policy.max_error)
    print(f"{embedded.version}; shipped: max_error {policy.max_error:.0%}, a cosine from {least:.3f} and no guard.")
    pairs = labelled_pairs(data) + swapped_pairs()
    embedded.add(text for pair in pairs for text in (pair.a, pair.b))
    shipped = product(equivalence, policy, least)
    systems = [
        shipped,
        cosine_alone(GPTCACHE, "GPTCache's default"),
        cosine_alone(REDISVL, "RedisVL's default"),
        *map(cosine_alone, COSINES),
        *map(cosine_with_simple_guard, (REDISVL, 0.95)),
    ]
    show_pairs(pairs, embedded, systems)
    show_kinds(pairs, embedded, shipped)
    show_recall(pairs, embedded)
    stream = [
        (row["text"], str(row["cluster"]))
        for row in sorted(rows(data / "cache_stream.jsonl.gz"), key=lambda row: row["order"])
    ]
    embedded.add(text for text, _ in stream)
    replays = show_stream(stream, embedded, systems)
    sweep = show_sweep(pairs, stream, embedded, equivalence)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_wrong(out / "wrong_hits.jsonl", replays[shipped.name])
        draw(out / "cache.png", sweep)
        print(f"\nwritten: {out / 'wrong_hits.jsonl'}, {out / 'cache.png'}")
    if stores:
        asked = embedded.stack([text for text, _ in stream])
        table("### Stores", ["store", "entries", "operation", "median ms", "of an exact hit in memory"],
              asyncio.run(measure(redis or (), asked)))  # fmt: skip
        show_found(redis or (), asked)


def show_found(redis: Sequence[str], vectors: Vectors) -> None:
    """What vector sets find of the nearest: the stream's first questions stored, the later ones asked."""
    stored, asked = vectors[:STORED], vectors[STORED : STORED + ASKED]
    for url in redis:
        lines = asyncio.run(recall(url, stored, asked))
        table(
            "### Nearest found by the server", ["entries", "asked", "nearest", "four nearest", "cosine off by"], lines
        )


def table(title: str, header: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    """Print one Markdown table."""
    cells = list(header)
    print(f"\n{title}\n\n| {' | '.join(cells)} |\n|{' --- |' * len(cells)}")
    for line in lines:
        print(f"| {' | '.join(f'{c:.3f}' if isinstance(c, float) else str(c) for c in line)} |", flush=True)


def served(pair: Pair, cosine: float, system: System) -> bool:
    """Whether the answer to `a` would be given to `b`."""
    if not (system.takes(pair.a) and system.takes(pair.b)):
        return False
    return cosine >= system.least and system.accepts(pair.a, pair.b, cosine)


def cosine_of(pair: Pair, embedded: Embedded) -> float:
    """The pair's cosine."""
    return float(embedded[pair.a] @ embedded[pair.b])


def show_pairs(pairs: Sequence[Pair], embedded: Embedded, systems: Sequence[System]) -> None:
    """Served share of what may be and of what must not be, by source; QQP's precision; the shuffled control."""
    sources = sorted({pair.source for pair in pairs})
    lines = []
    for system in systems:
        hit = np.array([served(pair, cosine_of(pair, embedded), system) for pair in pairs])
        same = np.array([pair.same for pair in pairs])
        line: list[object] = [system.name]
        for source in sources:
            mine = np.array([pair.source == source for pair in pairs])
            shares = [f"{hit[mine & same].mean():.3f}"] if (mine & same).any() else []
            shares += [f"{hit[mine & ~same].mean():.4f} wrong"] if (mine & ~same).any() else []
            line.append(", ".join(shares))
        qqp = np.array([pair.source == "qqp" for pair in pairs])
        shuffled = np.random.default_rng(0).permutation(same[qqp])
        line += [float(same[hit & qqp].mean()), float(shuffled[hit[qqp]].mean())]
        lines.append(line)
    header = ["system", *(f"{source}{' (fitted on)' if source in HARD else ''}" for source in sources)]
    table("### Pairs: share served of those that may be, and of those that must not be",
          [*header, "QQP precision", "labels shuffled"], lines)  # fmt: skip


def show_kinds(pairs: Sequence[Pair], embedded: Embedded, system: System) -> None:
    """What is served of pairs that must not be, by how they differ."""
    lines = []
    for kind in sorted({pair.kind for pair in pairs if not pair.same}):
        mine = [pair for pair in pairs if pair.kind == kind and not pair.same and pair.source not in HARD]
        hits = sum(served(pair, cosine_of(pair, embedded), system) for pair in mine)
        if mine:
            lines.append([kind, len(mine), hits, hits / len(mine)])
    changed = [pair for pair in pairs if "number" in pair.kind and not pair.same and pair.source not in HARD]
    hits = sum(served(pair, cosine_of(pair, embedded), system) for pair in changed)
    lines.append(["any with a number", len(changed), hits, hits / len(changed)])
    swaps = [pair for pair in pairs if pair.source == "swaps"]
    hits = sum(served(pair, cosine_of(pair, embedded), system) for pair in swaps)
    lines.append(["all swaps", len(swaps), hits, hits / len(swaps)])
    table("### Shipped: served of pairs that must not be, by difference", ["difference", "pairs", "served", "share"],
          lines)  # fmt: skip


def show_recall(pairs: Sequence[Pair], embedded: Embedded) -> None:
    """Recall on QQP at a precision of .90, where each score is cut best on QQP itself."""
    lexicon = Lexicon.shipped("en")
    assert lexicon is not None
    qqp = judged([pair for pair in pairs if pair.source == "qqp"], embedded, lexicon)
    rng = np.random.default_rng(0)
    same = np.array([one.pair.same for one in qqp])
    cosine = np.array([one.cosine for one in qqp])
    passed = np.array([one.guard is None for one in qqp])
    simple = cosine_with_simple_guard(0.0)
    guarded = np.array([simple.accepts(one.pair.a, one.pair.b, 1.0) for one in qqp])
    lines = [
        ["cosine", recall_at(cosine, same)],
        ["cosine + simple guard", recall_at(np.where(guarded, cosine, -1.0), same)],
        ["cosine + the product's guards", recall_at(np.where(passed, cosine, -1.0), same)],
        ["the same, labels shuffled", recall_at(np.where(passed, cosine, -1.0), rng.permutation(same))],
    ]
    table(f"### QQP: recall at precision {PRECISION:.2f}, cut chosen on the same rows", ["score", "recall"], lines)


def recall_at(score: Floats, same: npt.NDArray[np.bool_], precision: float = PRECISION) -> float:
    """The largest recall at which the precision still holds, over cuts that serve 50 pairs at least."""
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(same[order])
    count = np.arange(1, len(order) + 1)
    holds = (right / count >= precision) & (score[order] >= 0) & (count >= 50)
    return float(right[np.flatnonzero(holds).max()] / same.sum()) if holds.any() else 0.0


def show_stream(stream: Sequence[tuple[str, str]], embedded: Embedded, systems: Sequence[System]) -> dict[str, Replay]:
    """Replay the stream through every system."""
    done = {system.name: replay(stream, embedded, system) for system in systems}
    lines = [[name, one.hit_rate, one.recall, one.wrong_rate, len(one.wrong)] for name, one in done.items()]
    table("### Stream: queries in order through a cache that begins empty",
          ["system", "hit rate", "recall of repeatable", "hits labelled wrong", "their number"], lines)  # fmt: skip
    return done


def show_sweep(
    pairs: Sequence[Pair], stream: Sequence[tuple[str, str]], embedded: Embedded, equivalence: Equivalence
) -> list[Sweep]:
    """What each value of the policy's `max_error` does."""
    qqp = [pair for pair in pairs if pair.source == "qqp"]
    calibration = Acceptance.shipped().encoders[embedded.version]
    found = []
    for error in ERRORS:
        policy = CachePolicy(max_error=error)
        least = threshold(calibration, error)
        system = product(equivalence, policy, least, f"max_error {error:.3f}")
        hits = [pair.same for pair in qqp if served(pair, cosine_of(pair, embedded), system)]
        replayed = replay(stream, embedded, system)
        found.append(
            Sweep(
                max_error=error,
                cosine=least,
                qqp_recall=sum(hits) / sum(pair.same for pair in qqp),
                qqp_precision=sum(hits) / max(len(hits), 1),
                stream_recall=replayed.recall,
                stream_wrong=replayed.wrong_rate,
            )
        )
    table("### The operating point: what `cache.max_error` does",
          ["max_error", "cosine from", "QQP recall", "QQP precision", "stream recall", "stream wrong"],
          [[f"{s.max_error:.1%}", s.cosine, s.qqp_recall, s.qqp_precision, s.stream_recall, s.stream_wrong]
           for s in found])  # fmt: skip
    return found


def write_wrong(path: Path, done: Replay) -> None:
    """Hits labelled wrong, to be read: {"stored", "asked", "cosine"} a line."""
    lines = [json.dumps({"stored": a, "asked": b, "cosine": round(cosine, 4)}) for a, b, cosine in done.wrong]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
