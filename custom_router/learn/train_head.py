"""Train the classifier head on outcome data and write the artifact that ships with the package."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from custom_router.encoder import StaticEncoder
from custom_router.learn.head_artifact import train
from custom_router.learn.outcomes import read_outcomes

SHIPPED = Path(__file__).resolve().parent.parent / "artifacts" / "head.npz"


def main(
    data: Annotated[Path, typer.Option(help="Folder that holds router.jsonl.gz.", exists=True, file_okay=False)],
    output: Annotated[Path, typer.Option(help="Artifact to write.")] = SHIPPED,
) -> None:
    """Train the head, which takes about a minute on one core."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = StaticEncoder.load()
    trained = train(read_outcomes(data), encoder.encode, encoder.version)
    trained.classifier.save(output)
    typer.echo(f"{output}: {output.stat().st_size / 1000:.0f} kB, {trained.classifier.version}")
    for name, value in trained.classifier.metadata["leave_one_source_out"]["summary"].items():
        typer.echo(f"  leave-one-source-out {name}: {value:.3f}")


if __name__ == "__main__":
    typer.run(main)
