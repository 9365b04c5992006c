"""Putting a candidate head into service and taking it out again, by swapping one file that the engine watches."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from custom_router.classify.embedding import EmbeddingClassifier


class Refused(RuntimeError):
    """The swap was not made; the text says why and the mend."""


def promote(
    candidate: Path, serving: Path, encoder_version: str, incumbent: EmbeddingClassifier, *, first: bool = False
) -> str:
    """Make `candidate` the head at `serving` and keep the one that was there for `rollback`. Returns its version.

    `first`: nothing has served from there yet, so that a file which is there is somebody else's and is left alone.

    Raises `Refused` where it was found worse on any slice beyond noise, or was compared with another incumbent than the
    one in service; `HeadRefused` where it cannot be used.
    """
    head = EmbeddingClassifier.load(candidate, encoder_version=encoder_version)
    found = head.metadata.get("comparison")
    if not isinstance(found, dict):
        raise Refused(f"{candidate} was never compared with another head: make it with `tier-router train`")
    if found["worse"]:
        raise Refused(f"{candidate} is worse beyond noise on: {', '.join(found['worse'])}")
    if found["incumbent"] != incumbent.version:
        raise Refused(
            f"{candidate} was compared with {found['incumbent']}, but {incumbent.version} serves: train it again"
        )
    if first and serving.exists() and not serving.samefile(candidate):
        raise Refused(f"{serving} exists and no policy names it: move it away, or name it as classifier.artifact")
    beside = serving.with_name(f"{serving.name}.{os.getpid()}.partial")
    serving.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(candidate, beside)
    if first:
        previous_of(serving).unlink(missing_ok=True)
    elif serving.exists():
        _keep(serving)
    beside.replace(serving)
    return head.version


def rollback(serving: Path, encoder_version: str) -> str:
    """Swap the head at `serving` with the one before it. Returns the version that serves then. Raises `Refused`."""
    previous = previous_of(serving)
    if not previous.exists():
        raise Refused(f"no head before this one is kept beside {serving}")
    head = EmbeddingClassifier.load(previous, encoder_version=encoder_version)
    aside = serving.with_name(f"{serving.name}.{os.getpid()}.partial")
    shutil.copyfile(previous, aside)
    if serving.exists():
        _keep(serving)
    aside.replace(serving)
    return head.version


def previous_of(serving: Path) -> Path:
    """Where the head that served before is kept."""
    return serving.with_name(f"{serving.name}.previous")


def _keep(serving: Path) -> None:
    beside = serving.with_name(f"{serving.name}.{os.getpid()}.previous")
    shutil.copyfile(serving, beside)
    beside.replace(previous_of(serving))
