"""`python -m custom_router.bench.cache`: a hit's time beside that of LiteLLM's own exact cache, interleaved."""

from __future__ import annotations

import asyncio
import statistics
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import numpy as np
import typer
import yaml

from custom_router.bench.fleet import VariantProxy, unwind_on_terminate
from custom_router.bench.load import open_client
from custom_router.bench.variants import Variant, variant_config
from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.stack import Stack, StackError
from custom_router.learn.measures import Estimate, Rows, bootstrap
from custom_router.policy import Policy

app = typer.Typer(add_completion=False)

# More than the vectors that the encoder's thread remembers: a semantic hit pays for its own.
_COUNTRIES = """Norway Sweden Finland Denmark Iceland Ireland France Spain Portugal Italy Greece Austria Germany Poland
    Hungary Romania Bulgaria Serbia Croatia Slovenia Slovakia Albania Estonia Latvia Lithuania Belarus Ukraine Turkey
    Egypt Libya Tunisia Algeria Morocco Senegal Ghana Nigeria Cameroon Gabon Angola Namibia Botswana Zambia Kenya
    Uganda Rwanda Tanzania Ethiopia Somalia Sudan Chad Niger Mali Brazil Argentina Chile Peru Bolivia Ecuador Colombia
    Venezuela Guyana Suriname Paraguay Uruguay Mexico Cuba Jamaica Haiti Panama Honduras Guatemala Canada Japan China
    Mongolia Vietnam Thailand Laos Cambodia Malaysia Indonesia India Nepal Bhutan Pakistan Iran Iraq Syria""".split()  # noqa: SIM905
_LITELLM, _EXACT, _SEMANTIC = "LiteLLM's exact cache", "exact hit", "semantic hit"
_LOADS = (_LITELLM, _EXACT, _SEMANTIC)


def _asked(country: str) -> str:
    return f"What is the capital of {country}?"


def _again(country: str) -> str:
    return f"What's the capital of {country}?"


@dataclass(frozen=True, slots=True)
class Proxies:
    """Both caches, on one simulator."""

    litellm: Stack
    product: Stack


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=3, help="Rounds; in each, every question is asked in each way.")] = 10,
    out: Annotated[Path, typer.Option(help="Folder for the table and the logs.")] = Path("var/bench_cache"),
) -> None:
    """Ask repeated questions of LiteLLM's local cache and of this one, exactly and in other words, one at a time."""
    unwind_on_terminate()
    out = out.resolve()
    try:
        times, countries = _measure(out, rounds)
    except StackError as error:
        typer.echo(f"bench_cache: {error}", err=True)
        raise typer.Exit(1) from error
    text = report(times, countries)
    (out / "bench_cache.md").write_text(text, encoding="utf-8")
    print(text)


def _measure(out: Path, rounds: int) -> tuple[dict[str, list[list[float]]], int]:
    config, policy = bundle_root() / CONFIG, bundle_root() / POLICY
    document = Policy.load(policy).document
    with Stack(config, policy, out / "product", latency_scale=0.0) as product:
        generated: dict[str, Any] = yaml.safe_load((product.workdir / CONFIG).read_text(encoding="utf-8"))
        bare = deepcopy(variant_config(generated, Variant.BARE, document.entry_models, document.tiers))
        bare["litellm_settings"] |= {"cache": True, "cache_params": {"type": "local"}}
        with VariantProxy(config, policy, out / "litellm", generated=bare) as litellm:
            return asyncio.run(_rounds(Proxies(litellm, product), rounds))


async def _rounds(proxies: Proxies, rounds: int) -> tuple[dict[str, list[list[float]]], int]:
    """Milliseconds of every answer by load and round, and how many questions were asked.

    Each question is asked in the three ways one after the other, first in another way each time: what else the host
    does falls on all alike.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in _LOADS}
    async with (
        open_client(proxies.litellm.url, proxies.litellm.master_key) as litellm,
        open_client(proxies.product.url, proxies.product.master_key) as product,
    ):
        ways = {_LITELLM: (litellm, _asked), _EXACT: (product, _asked), _SEMANTIC: (product, _again)}
        for session in (litellm, product):
            for country in _COUNTRIES:
                await _ask(session, _asked(country))
        await asyncio.sleep(1)  # answers are stored a moment after they are given
        kept = [c for c in _COUNTRIES if all([(await _ask(product, say(c)))[1] for say in (_asked, _again)])]
        for turn in range(rounds):
            found: dict[str, list[float]] = {name: [] for name in _LOADS}
            for number, country in enumerate(kept, turn):
                for name in _LOADS[number % 3 :] + _LOADS[: number % 3]:
                    session, say = ways[name]
                    took, hit = await _ask(session, say(country))
                    if hit or name == _LITELLM:
                        found[name].append(took)
            for name in _LOADS:
                times[name].append(found[name])
    return times, len(kept)


async def _ask(session: aiohttp.ClientSession, prompt: str) -> tuple[float, bool]:
    """Milliseconds of one request, and whether this product's cache answered it."""
    body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
    began = time.perf_counter()
    async with session.post("/v1/chat/completions", json=body) as response:
        await response.read()
        if response.status != 200:
            raise StackError(f"{prompt}: {response.status} {await response.text()}")
        return (time.perf_counter() - began) * 1000, response.headers.get("x-router-cache") == "hit"


def report(times: dict[str, list[list[float]]], questions: int) -> str:
    """The table. Intervals resample rounds."""
    litellm, exact, semantic = (np.array([statistics.median(burst) for burst in times[name]]) for name in _LOADS)
    count = len(litellm)

    def over(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> Estimate:
        return bootstrap(lambda rows: float(mine[rows].mean() / theirs[rows].mean()), count)

    def more(rows: Rows) -> float:
        return float((semantic[rows] - exact[rows]).mean())

    lines = [
        f"{questions} questions, {count} interleaved rounds, one request in flight; medians of rounds, 95 % intervals.",
        "",
        "| what | p50, ms | beside LiteLLM's exact hit |",
        "| --- | --- | --- |",
        f"| {_LITELLM} | {litellm.mean():.2f} | 1 |",
        f"| {_EXACT} | {exact.mean():.2f} | {_told(over(exact, litellm))} × |",
        f"| {_SEMANTIC} | {semantic.mean():.2f} | {_told(over(semantic, litellm))} × |",
        "",
        f"A semantic hit takes {_told(bootstrap(more, count))} ms more than an exact one.",
    ]
    return "\n".join(lines) + "\n"


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


if __name__ == "__main__":
    app()
