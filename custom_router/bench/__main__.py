"""`python -m custom_router.bench`: the router's price in time, beside bare LiteLLM and its own complexity router."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer

from custom_router.bench.analysis import analyse
from custom_router.bench.fleet import fleet, unwind_on_terminate
from custom_router.bench.in_process import measure_engine
from custom_router.bench.measure import make_plan, measure
from custom_router.bench.plot import draw
from custom_router.bench.report import as_json, as_markdown, conditions
from custom_router.bundle import POLICY, bundle_root
from custom_router.demo.stack import StackError
from custom_router.encoder.base import EncoderUnavailable

app = typer.Typer(add_completion=False)

_ROUNDS, _QUICK_ROUNDS = 10, 3
_LIMIT_S, _QUICK_LIMIT_S = 900.0, 15.0
_WAVES, _QUICK_WAVES = 3, 1


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A rough run of at most a minute and a half.")] = False,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Requests to each proxy at each concurrency. [600; quick: 45]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the table, the JSON, the plot and the logs.")] = Path(
        "var/bench"
    ),
) -> None:
    """Measure bare LiteLLM, empty hooks, this router with and without its gate, and LiteLLM's complexity router,
    interleaved, on one simulator."""
    unwind_on_terminate()
    count = requests or (45 if quick else 600)
    plan = (
        make_plan(count, min(_QUICK_ROUNDS, count), _QUICK_LIMIT_S, _QUICK_WAVES)
        if quick
        else make_plan(count, min(_ROUNDS, count), _LIMIT_S, _WAVES)
    )
    out = out.resolve()
    began, load_before = time.monotonic(), os.getloadavg()[0]
    try:
        typer.echo("starting the simulator and five proxies ...", err=True)
        with fleet(out / "run") as stacks:
            cells = asyncio.run(measure(stacks, plan, lambda line: typer.echo(line, err=True)))
        typer.echo("the engine alone ...", err=True)
        engine = asyncio.run(measure_engine(bundle_root() / POLICY, 100 if quick else 500))
    except (StackError, EncoderUnavailable) as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from error
    rows = analyse(cells)
    at = conditions(1 + max(cell.round for cell in cells), time.monotonic() - began, load_before)
    text = as_markdown(rows, engine, at)
    (out / "bench.md").write_text(text, encoding="utf-8")
    (out / "bench.json").write_bytes(
        orjson.dumps(as_json(rows, engine, at), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    )
    draw(rows, out / "bench.png")
    print(text)
    print(f"written to {out}: bench.md, bench.json, bench.png")
    raise typer.Exit(1 if any(row.failed for row in rows) else 0)


if __name__ == "__main__":
    app()
