"""`python -m custom_router.simulator`: prints `simulator ready URL` when it listens."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from custom_router.simulator.config import SimulatorConfig, load_config
from custom_router.simulator.server import HOST, run


def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    config: Annotated[Path | None, typer.Option(help="YAML or JSON: models, latency, limits.")] = None,
    replay: Annotated[Path | None, typer.Option(help="JSON lines of recorded answers.")] = None,
    latency_scale: Annotated[
        float | None, typer.Option(min=0.0, help="Multiplies every delay; 0 answers at once.")
    ] = None,
) -> None:
    """Play OpenAI-compatible providers at URL/{provider}/v1; control them at URL/_sim/."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    given = {"replay": replay, "latency_scale": latency_scale}
    try:
        settings = load_config(config) if config else SimulatorConfig()
        settings = settings.model_copy(update={key: value for key, value in given.items() if value is not None})
        run(settings, host, port, lambda url: print(f"simulator ready {url}", flush=True))
    except (OSError, ValueError, ValidationError, yaml.YAMLError) as error:
        typer.echo(f"simulator: {error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
