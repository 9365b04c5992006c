"""`python -m custom_router.demo`: start everything, send the traffic, show what happened."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.stack import DEFAULT_KEY, Stack, StackError, local_key
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
    stack = Stack(bundle_root() / CONFIG, bundle_root() / POLICY, workdir.resolve(), port, local_key())
    # Records of earlier runs stay: the folder may be one in which somebody keeps more than a demo's.
    earlier = frozenset(stack.records.glob("*.jsonl"))
    try:
        with stack:
            summary = _run(console, stack, earlier)
            if not leave:
                _stay(console, stack)
    except StackError as error:
        console.print(f"[red]The demo could not start.[/red] {error}", markup=True, highlight=False)
        raise typer.Exit(1) from error
    # The last line, for scripts.
    print(json.dumps(summary.as_json()), flush=True)
    raise typer.Exit(1 if summary.failed else 0)


def _run(console: Console, stack: Stack, earlier: frozenset[Path]) -> Summary:
    console.print(
        f"proxy [bold]{stack.url}[/bold], simulated providers {stack.simulator_url}, model [bold]auto[/bold]\n"
    )
    answers = asyncio.run(_send(console, stack, earlier))
    records = _all_records(stack, earlier, sum(answer.prompt.requests for answer in answers))
    console.print(_table(answers, records))
    summary = summarise(answers, records)
    _show_summary(console, stack, summary, answers)
    return summary


async def _send(console: Console, stack: Stack, earlier: frozenset[Path]) -> list[Answer]:
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
                live.update(Group(_table(answers[-_SHOWN:], _records(stack, earlier)), progress))
    finally:
        await application.close()
    return answers


def _table(answers: list[Answer], records: list[dict[str, Any]]) -> Table:
    """A row for each answer; what it cost is known once its record is on disk, a moment later."""
    costs = {record["request_id"]: record["cost"] for record in records}
    table = Table(box=None, pad_edge=False, header_style="bold")
    # Where the terminal is narrow, prompts are cut first, then causes.
    table.add_column("prompt", max_width=52)
    table.add_column("sent as", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    table.add_column("why", max_width=24)
    for name in ("complexity", "router ms", "ms", "cost", "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    for answer in answers:
        tier = answer.router("tier")
        shown = f"[{_COLOUR[tier]}]{tier}[/]" if tier in _COLOUR else "[red]failed[/]"
        cost = costs.get(answer.router("request-id"), {})
        why = "cache" if answer.router("cache") == "hit" else answer.router("cause")
        table.add_row(
            _cut(answer.prompt.prompt), answer.prompt.form, shown,
            _cut(answer.error or why), answer.router("complexity"), answer.router("overhead-ms"),
            f"{answer.elapsed_ms:.0f}", _dollars(cost, "total"), _dollars(cost, "saved"),
        )  # fmt: skip
    return table


def _cut(text: str) -> Text:
    return Text(text, overflow="ellipsis", no_wrap=True)


def _dollars(cost: Mapping[str, float | None], name: str) -> str:
    amount = cost.get(name)
    return "" if amount is None else f"{'-' if amount < 0 else ''}${abs(amount):.5f}"


def _records(stack: Stack, earlier: frozenset[Path]) -> list[dict[str, Any]]:
    """This run's records on disk, without a line that is still being written."""
    segments = sorted(set(stack.records.glob("*.jsonl")) - earlier)
    return [json.loads(line) for segment in segments for line in segment.read_bytes().split(b"\n")[:-1]]


def _all_records(stack: Stack, earlier: frozenset[Path], expected: int) -> list[dict[str, Any]]:
    """This run's records, once all have arrived: they are written a moment after the answer."""
    records: list[dict[str, Any]] = []
    for _ in range(50):
        records = _records(stack, earlier)
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
    # A key of the reader's own does not belong on the screen.
    key = stack.master_key if stack.master_key == DEFAULT_KEY else "$LITELLM_MASTER_KEY"
    console.print(f"The proxy stays up. Look at {stack.url}/router/ with the key {key}, or try:\n")
    console.print(
        f'  curl -i {stack.url}/v1/chat/completions -H "Authorization: Bearer {key}" \\\n'
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
