"""`python -m custom_router.bench.eval_e2e`: what the running router's choices are worth on real prompts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import typer
import yaml

from custom_router.bench.comparison import Comparison, Outcome, compare
from custom_router.bench.e2e_report import POOLED, e2e_markdown
from custom_router.bench.fleet import unwind_on_terminate
from custom_router.bench.outcomes import OutcomeRow, read_rows, stratified
from custom_router.bench.replay import Routed, audit, replay
from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.simulated import write_yaml
from custom_router.demo.stack import Stack, StackError
from custom_router.deployments import of_tier, read_deployments
from custom_router.policy import Policy
from custom_router.records.cost import Price
from custom_router.tiers import TIERS, Tier

app = typer.Typer(add_completion=False)


@app.command()
def eval_e2e(
    data: Annotated[Path, typer.Option(help="Folder of the evaluation data, with router.jsonl.gz.")],
    rows: Annotated[int, typer.Option(min=1, help="Prompts to send.")] = 300,
    seed: Annotated[int, typer.Option(help="Chooses the prompts and the permutations.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the report, the JSON and the logs.")] = Path("var/eval_e2e"),
) -> None:
    """Replay real prompts through the proxy and print quality and cost beside fixed tiers and the shuffled control.

    Exits with 1 when a request was lost, lacked a header, or did not have exactly one record.
    """
    unwind_on_terminate()
    out = out.resolve()
    if not (data / "router.jsonl.gz").is_file():
        raise typer.BadParameter(f"{data} holds no router.jsonl.gz", param_hint="--data")
    sample = stratified(read_rows(data), rows, seed)
    if not sample:
        raise typer.BadParameter(f"{data / 'router.jsonl.gz'} holds no usable row", param_hint="--data")
    config, policy = bundle_root() / CONFIG, ungated_policy(out)
    prices = tier_prices(config, policy)
    stack = Stack(config, policy, out / "run", latency_scale=0.0)
    try:
        typer.echo(f"sending {len(sample)} prompts ...", err=True)
        sent, records = replay(stack, {row.id: row.prompt for row in sample}, lambda line: typer.echo(line, err=True))
    except StackError as error:
        typer.echo(f"eval_e2e: {error}", err=True)
        raise typer.Exit(1) from error
    routed, checked = audit(sent, records)
    comparisons = compare_sources(join(sample, routed, prices), seed) if routed else {}
    text = e2e_markdown(comparisons, routed, checked, prices, seed)
    (out / "eval_e2e.md").write_text(text, encoding="utf-8")
    result = {
        "seed": seed,
        "promises": asdict(checked),
        "prices": {tier.value: asdict(price) for tier, price in prices.items()},
        "comparisons": {name: asdict(comparison) for name, comparison in comparisons.items()},
        "decisions": [asdict(request) for request in routed],
    }
    (out / "eval_e2e.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    print(text)
    print(f"written to {out}: eval_e2e.md, eval_e2e.json")
    raise typer.Exit(0 if checked.clean else 1)


def ungated_policy(out: Path) -> Path:
    """The shipped policy without the gate, since these rows hold no confidences and simulated ones would mean nothing,
    and without the cache: the outcome wanted is the tier's."""
    document = yaml.safe_load((bundle_root() / POLICY).read_text(encoding="utf-8"))
    return write_yaml(out / POLICY, {**document, "gate": {"enabled": False}, "cache": {"enabled": False}})


def tier_prices(config: Path, policy: Path) -> dict[Tier, Price]:
    """The price of each tier's first priced deployment. Raises `BadParameter` for a tier without any."""
    # LiteLLM reads this when it is imported, which `litellm_adapter` does.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from custom_router.litellm_adapter import model_facts

    deployments = read_deployments(yaml.safe_load(config.read_text(encoding="utf-8"))["model_list"], model_facts)
    tiers = Policy.load(policy).document.tiers
    prices: dict[Tier, Price] = {}
    for tier in TIERS:
        price = next((d.price for d in of_tier(deployments, tiers, tier) if d.price is not None), None)
        if price is None:
            raise typer.BadParameter(f"{config}: no deployment of {tiers[tier].model} has a price")
        prices[tier] = price
    return prices


def join(sample: Sequence[OutcomeRow], routed: Sequence[Routed], prices: Mapping[Tier, Price]) -> Outcome:
    """Outcomes of the requests in `routed`, by row id."""
    row_of = {row.id: row for row in sample}
    rows = [row_of[request.id] for request in routed]
    return Outcome(
        score=np.array([row.score for row in rows]),
        cost=np.array([[prices[tier].of(row.tokens[tier.rank]) for tier in TIERS] for row in rows]),
        chosen=np.array([request.tier.rank for request in routed], np.intp),
        need=np.array([request.need for request in routed]),
        source=np.array([row.source for row in rows]),
    )


def compare_sources(outcome: Outcome, seed: int) -> dict[str, Comparison]:
    """All rows together, then each source."""
    found = {POOLED: compare(outcome, seed)}
    for name in np.unique(outcome.source).tolist():
        found[name] = compare(outcome.where(outcome.source == name), seed)
    return found


if __name__ == "__main__":
    app()
