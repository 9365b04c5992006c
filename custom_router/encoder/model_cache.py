"""The converted models on disk: built once, checked at every load, rebuilt when damaged."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from custom_router.encoder import source
from custom_router.encoder.artifacts import exclusive, matches, sha256, written_atomically
from custom_router.encoder.base import EncoderUnavailable, Vectors
from custom_router.encoder.session import DIMENSION, MiniLMSession

logger = logging.getLogger(__name__)

Precision = Literal["int8", "fp32"]
Kind = Literal["int8", "fp32", "static"]
"""The transformer in one of its precisions, or the table of static token embeddings."""

MODEL = "minilm-l6-v2"
# Raise it whenever convert.py gives other numbers, so that models cached by an older release are rebuilt.
CONVERSION = 2
FILES: dict[Kind, str] = {"int8": "model-int8.onnx", "fp32": "model-fp32.onnx", "static": "static.npy"}
MANIFEST = "manifest.json"

# As varied as one line each allows: the self-check compares int8 with fp32 on them.
PROBES = (
    "What is the capital of France?",
    "Fix the off-by-one error in this loop: for (int i = 0; i <= n; i++) sum += a[i];",
    "Summarise the indemnification clause of the attached supply agreement in two sentences.",
    "Prove that the square root of 2 is irrational, and say where the proof fails for 4.",
    "hi",
    "Wie hoch ist die Kapitalertragsteuer auf Dividenden in Deutschland?",
    "SELECT customer_id, SUM(amount) FROM orders WHERE placed_at >= '2024-01-01' GROUP BY 1;",
    "My daughter has had a fever of 39.5 °C since yesterday; when should I take her to a doctor?",
)


class Manifest(BaseModel):
    """Sidecar of the converted models: their checksums, and the fp32 vectors of the probe sentences."""

    conversion: int
    weights_sha256: str
    origin: str
    files: dict[Kind, str]
    probes: list[str]
    reference: list[list[float]]

    def is_current(self) -> bool:
        """Whether this release of the code, with these weights, would make the same files."""
        return (
            self.conversion == CONVERSION
            and self.weights_sha256 == source.CHECKSUMS[source.WEIGHTS]
            and set(self.files) == set(FILES)
            and self.probes == list(PROBES)
            and [len(vector) for vector in self.reference] == [DIMENSION] * len(PROBES)
        )


@dataclass(frozen=True)
class ConvertedModel:
    """A verified model or table, its tokenizer, and what fp32 says of the probe sentences: float32 (probes, 384)."""

    model: Path
    tokenizer: Path
    reference: Vectors


def obtain(root: Path, kind: Kind) -> ConvertedModel:
    """Return the converted model under `root`, converting first when it is absent, outdated or damaged.

    Safe with several processes at once: one converts, the others wait. A ready cache is only read, so it may
    be on a read-only disk. Raises `EncoderUnavailable`.
    """
    directory = root / "encoder" / MODEL
    try:
        ready = _read(directory, kind)
        if ready is not None:
            return ready
        directory.mkdir(parents=True, exist_ok=True)
        with exclusive(directory):
            ready = _read(directory, kind)
            if ready is None:
                _convert(directory)
                ready = _read(directory, kind)
    except OSError as error:
        raise EncoderUnavailable(
            f"The encoder cache {directory} could not be read or written: {error}. "
            "Set TIER_ROUTER_CACHE to a folder with 250 MB free that this user may write."
        ) from error
    if ready is None:
        raise EncoderUnavailable(
            f"The encoder cache {directory} does not hold what was just written to it. "
            "Check the disk, delete the folder and start again."
        )
    return ready


def _read(directory: Path, kind: Kind) -> ConvertedModel | None:
    path = directory / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        logger.warning("encoder cache: %s is damaged and will be rebuilt: %s", path, error)
        return None
    if not manifest.is_current():
        logger.info("encoder cache: %s is of another release and will be rebuilt", path)
        return None
    expected = {
        directory / FILES[kind]: manifest.files[kind],
        directory / source.TOKENIZER: source.CHECKSUMS[source.TOKENIZER],
    }
    for file, checksum in expected.items():
        if not matches(file, checksum):
            logger.warning("encoder cache: %s is missing or damaged and will be rebuilt", file)
            return None
    reference = np.array(manifest.reference, np.float32)
    return ConvertedModel(directory / FILES[kind], directory / source.TOKENIZER, reference)


def _convert(directory: Path) -> None:
    from safetensors.numpy import load_file

    from custom_router.encoder.convert import write_fp32, write_int8, write_static

    found = source.locate(directory)
    logger.info("converting the encoder once into %s", directory)
    if found.tokenizer != directory / source.TOKENIZER:
        with written_atomically(directory / source.TOKENIZER) as temporary:
            shutil.copyfile(found.tokenizer, temporary)
    weights = load_file(found.weights)
    with written_atomically(directory / FILES["fp32"]) as temporary:
        write_fp32(weights, temporary)
    with written_atomically(directory / FILES["int8"]) as temporary:
        write_int8(weights, temporary)
    with written_atomically(directory / FILES["static"]) as temporary:
        write_static(weights, temporary)
    session = MiniLMSession(directory / FILES["fp32"], directory / source.TOKENIZER)
    manifest = Manifest(
        conversion=CONVERSION,
        weights_sha256=source.CHECKSUMS[source.WEIGHTS],
        origin=found.origin,
        files={kind: sha256(directory / name) for kind, name in FILES.items()},
        probes=list(PROBES),
        reference=[[round(float(x), 6) for x in session.vector(probe)] for probe in PROBES],
    )
    with written_atomically(directory / MANIFEST) as temporary:
        temporary.write_text(manifest.model_dump_json(), encoding="utf-8")
