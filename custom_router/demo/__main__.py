"""`python -m custom_router.demo`: start everything, send the traffic, show what happened."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.stack import Stack, StackError
from custom_router.demo.summary import Summary, summarise, typical_ms
from custom_router.demo.traffic import Answer, Application, demo_prompts
from custom_router.tiers import TIERS

KILLED = "deepseek"
_SHOWN = 14
_COLOUR = {"simple": "green", "medium": "yellow", "frontier": "magenta"}

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the summary instead of staying up.")] = False,
    port: Annotated[int, typer.Option(help="Port of the proxy; 0 takes a free one.")] = 4000,
    workdir: Annotated[Path, typer.Option(help="Folder for logs, records and generated files.")] = Path("var/demo"),
) -> None:
    """Run the proxy against simulated providers, send about 60 real prompts through it and show the outcome."""
    console = Console()
    shutil.rmtree(workdir / "var", ignore_errors=True)
    stack = Stack(bundle_root() / CONFIG, bundle_root() / POLICY, workdir.resolve(), port)
    try:
        with stack:
            summary = _run(console, stack)
            if not leave:
                _stay(console, stack)
    except StackError as error:
        console.print(f"[red]The demo could not start.[/red] {error}", markup=True, highlight=False)
        raise typer.Exit(1) from error
    # The last line, for scripts.
    print(json.dumps(summary.as_json()), flush=True)
    raise typer.Exit(1 if summary.failed else 0)


def _run(console: Console, stack: Stack) -> Summary:
    console.print(
        f"proxy [bold]{stack.url}[/bold], simulated providers {stack.simulator_url}, model [bold]auto[/bold]\n"
    )
    answers = asyncio.run(_send(console, stack))
    records = _read_records(stack, sum(answer.prompt.requests for answer in answers))
    summary = summarise(answers, records)
    _show_summary(console, stack, summary, answers)
    return summary


async def _send(console: Console, stack: Stack) -> list[Answer]:
    prompts = demo_prompts()
    application = Application(stack.url, stack.master_key)
    answers: list[Answer] = []
    progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console)
    task = progress.add_task("requests", total=len(prompts))
    try:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            for number, prompt in enumerate(prompts):
                if number == len(prompts) // 2:
                    async with httpx.AsyncClient(trust_env=False) as http:
                        await http.post(f"{stack.simulator_url}/_sim/kill", json={"provider": KILLED})
                    progress.update(task, description=f"requests ({KILLED} is down)")
                answers.append(await application.ask(prompt))
                progress.advance(task)
                live.update(Group(_table(answers[-_SHOWN:]), progress))
    finally:
        await application.close()
    console.print(_table(answers))
    return answers


def _table(answers: list[Answer]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("prompt", max_width=52, no_wrap=True)
    for name in ("sent as", "tier", "why"):
        table.add_column(name)
    for name in ("complexity", "router ms", "total ms"):
        table.add_column(name, justify="right")
    for answer in answers:
        tier = answer.router("tier")
        shown = f"[{_COLOUR[tier]}]{tier}[/]" if tier in _COLOUR else "[red]failed[/]"
        why = "cache" if answer.router("cache") == "hit" else answer.router("cause")
        table.add_row(
            answer.prompt.prompt.replace("[", r"\["), answer.prompt.form, shown,
            answer.error or why, answer.router("complexity"), answer.router("overhead-ms"),
            f"{answer.elapsed_ms:.0f}",
        )  # fmt: skip
    return table


def _read_records(stack: Stack, expected: int) -> list[dict[str, Any]]:
    """Records on disk, once all have arrived: they are written a moment after the answer."""
    records: list[dict[str, Any]] = []
    for _ in range(50):
        records = [
            json.loads(line)
            for file in sorted(stack.records.glob("*.jsonl"))
            for line in file.read_bytes().splitlines()
        ]
        if sum(record["outcome"]["status"] != "unknown" for record in records) >= expected:
            break
        threading.Event().wait(0.1)
    return records


def _show_summary(console: Console, stack: Stack, summary: Summary, answers: list[Answer]) -> None:
    table = Table(title="\nWhat the router did", box=None, title_justify="left", show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    answered = max(1, summary.requests - summary.failed)
    for tier in TIERS:
        count = summary.tiers.get(tier.value, 0)
        table.add_row(tier.value, f"{count:3d} requests, {100 * count / answered:.0f} %")
    share = summary.saved / summary.frontier_cost if summary.frontier_cost else 0.0
    table.add_row("cost", f"${summary.cost:.4f}")
    if summary.escalated:
        table.add_row("gate", f"{summary.escalated} cheap answers replaced by a better model's, in the counts above")
    if summary.cached:
        table.add_row("cache", f"{summary.cached} questions asked again and answered at no cost, in the counts above")
    table.add_row("all-frontier", f"${summary.frontier_cost:.4f} for the same tokens")
    table.add_row("saved", f"${summary.saved:.4f}, {100 * share:.0f} %")
    table.add_row("failed", f"{summary.failed} of {summary.requests}")
    if summary.failover_ms is not None:
        usual = typical_ms(answers, "simple")
        compared = f"; the tier's median before: {usual:.0f} ms" if usual else ""
        took = f"first request after {KILLED} went down answered in {summary.failover_ms:.0f} ms{compared}"
        table.add_row("failover", took)
    table.add_row("records", str(stack.records))
    console.print(table)
    console.print("\nAnswers and latencies are simulated; decisions, prices, headers and records are the real ones.\n")
    for answer in answers:
        if answer.error:
            console.print(f"failed: {answer.prompt.prompt} - {answer.error}", markup=False)


def _stay(console: Console, stack: Stack) -> None:
    console.print(f"The proxy stays up. Look at {stack.url}/router/ with the key {stack.master_key}, or try:\n")
    console.print(
        f"  curl -i {stack.url}/v1/chat/completions -H 'Authorization: Bearer {stack.master_key}' \\\n"
        "    -H 'Content-Type: application/json' \\\n"
        '    -d \'{"model": "auto", "messages": [{"role": "user", "content": "Is a mortgage tax deductible?"}]}\'\n',
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    console.print("Ctrl-C stops it.")
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()


if __name__ == "__main__":
    app()
