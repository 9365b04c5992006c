"""Labelled texts for the domain model: the public sets, the written prompts, the split, the vectors."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from custom_router.encoder import Encoder, Vectors
from custom_router.request import RequestView

NAMES = ("finance", "legal")
NONE = "none"

SOURCES = {
    "banking77": "CC-BY-4.0, PolyAI",
    "clinc150": "CC-BY-3.0, clinc/oos-eval",
    "tatqa": "CC-BY-4.0, NExTplusplus/TAT-QA",
    "consumer_contracts_qa": "CC-BY-4.0, LegalBench task",
    "mmlu": "MIT, hendrycks/test",
    "seeds": "MIT, written for this project",
}
"""Sources that shape the artifact, with licence and author. Every other source is evaluated on only."""

# Labelled "none" by their collection's own topic list, yet about pay and insurance: teaching either way is wrong.
_AMBIGUOUS = {"work:direct_deposit", "work:insurance", "work:insurance_change"}
_HELD_OUT_PERCENT = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text. `domain` is a name, "none" or "unlabelled"; `hard` marks look-alikes among "none"."""

    id: str
    source: str
    text: str
    domain: str
    hard: bool = False
    ambiguous: bool = False

    @property
    def bucket(self) -> int:
        """A stable number in 0..99 that splits rows whatever their order."""
        return int.from_bytes(hashlib.blake2b(self.id.encode(), digest_size=4).digest(), "big") % 100

    @property
    def held_out(self) -> bool:
        """Whether the row is kept out of the fit."""
        return self.bucket < _HELD_OUT_PERCENT

    @property
    def fitted(self) -> bool:
        """Whether the shipped artifact is fitted on this row."""
        return self.source in SOURCES and self.domain in (*NAMES, NONE) and not (self.held_out or self.ambiguous)


def read_rows(data: Path) -> list[Row]:
    """The labelled rows of the evaluation data folder, then the written prompts.

    Raises `FileNotFoundError` naming the folder when `domain.jsonl.gz` is not in it.
    """
    file = data / "domain.jsonl.gz"
    if not file.is_file():
        raise FileNotFoundError(f"{file} not found: --data must name the folder that holds domain.jsonl.gz")
    rows = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows.append(
                Row(
                    id=row["id"],
                    source=row["source"],
                    text=row["text"],
                    domain=row["domain"],
                    hard=bool(row.get("hard_negative")),
                    ambiguous=row["domain"] == NONE and row.get("sub") in _AMBIGUOUS,
                )
            )
    return rows + seed_rows()


def seed_rows() -> list[Row]:
    """The prompts written for this project, from the packaged `domain_seeds.yaml`."""
    text = (resources.files("custom_router.learn") / "domain_seeds.yaml").read_text(encoding="utf-8")
    return [
        Row(id=f"seed-{hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()}", source="seeds",
            text=prompt, domain=domain)
        for domain, prompts in yaml.safe_load(text).items()
        for prompt in prompts
    ]  # fmt: skip


def encode_rows(rows: Sequence[Row], encoder: Encoder, cache: Path | None = None) -> Vectors:
    """Vectors (n, d) of the bounded views, exactly what serving encodes.

    `cache` names an .npz file of earlier vectors by text and encoder version; it is read and extended.
    """
    texts = [RequestView.from_chat({"messages": [{"role": "user", "content": row.text}]}).bounded for row in rows]
    known: dict[str, npt.NDArray[np.float32]] = {}
    if cache is not None and cache.is_file():
        with np.load(cache, allow_pickle=False) as held:
            known = dict(zip(held["keys"].tolist(), held["vectors"], strict=True))
    keys = [_key(text, encoder.version) for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    known.update(zip(missing, encoder.encode(list(missing.values())), strict=True))
    if cache is not None and missing:
        np.savez(cache, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[key] for key in keys])


def _key(text: str, version: str) -> str:
    return hashlib.blake2b(f"{version}\n{text}".encode(), digest_size=16).hexdigest()
