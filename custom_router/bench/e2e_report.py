"""The end-to-end evaluation as Markdown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from custom_router.bench.comparison import Comparison
from custom_router.bench.replay import Audit, Routed
from custom_router.bench.report import table
from custom_router.learn.measures import Estimate
from custom_router.records.cost import Price
from custom_router.tiers import Tier

POOLED = "all sources"

_HOW = """\
Real prompts, from sources that nothing shipped was fitted on, sent one by one through the running proxy as `auto`;
providers simulated. The outcome of a request is the score that the recorded model of the tier that answered got on
that prompt: simple, medium and frontier stand for the data's small, mid and strong model, which are those of its time
and not the ones in litellm_config.yaml. Cost is the configuration's price of each tier's first deployment times
the tokens of that recorded answer (where only its length is recorded, a token for every four characters).

Brackets are 95 %: resampled rows for the router and fixed tiers, 1,000 permutations or draws for the controls.
*Shuffled* is the router's own tier mix dealt out at random: a router that does not beat it has learnt nothing about
these prompts. Sources count nearly equally."""


def e2e_markdown(
    comparisons: Mapping[str, Comparison],
    routed: Iterable[Routed],
    checked: Audit,
    prices: Mapping[Tier, Price],
    seed: int,
) -> str:
    """The report: the promises, the pooled table, one a source, and why requests went where they went."""
    causes = Counter(cause for request in routed for cause in request.causes)
    priced = ", ".join(f"{t.value} {p.input * 1e6:g} in / {p.output * 1e6:g} out" for t, p in prices.items())
    parts = [
        "# Real prompts through the running proxy\n",
        _HOW + "\n",
        f"Prices, dollars a million tokens: {priced}. Seed {seed}.\n",
        "## Promises\n",
        table(("promise", "count"), [(name.replace("_", " "), count) for name, count in asdict(checked).items()]),
    ]
    for name, comparison in comparisons.items():
        parts += [f"## {name}\n", _facts(comparison) + "\n", _strategies(comparison)]
    parts += ["## Causes\n", table(("cause", "requests"), causes.most_common())]
    return "\n".join(parts)


def _facts(c: Comparison) -> str:
    mix = ", ".join(f"{100 * share:.0f} % {tier}" for tier, share in c.mix.items())
    text = f"{c.rows} prompts: {mix}. The router is better than {100 * c.beaten:.0f} % of shuffles (chance 50)."
    if c.gap_recovered is None or c.shuffled_gap is None:
        return f"{text} All-frontier is hardly better than all-simple here, so shares of that gap mean nothing."
    return (
        f"{text} Of the way from all-simple to all-frontier it recovers {round(100 * c.gap_recovered)} %, a shuffle "
        f"{round(100 * c.shuffled_gap)} %."
        + (f" APGR of its scores {_interval(c.apgr, 2)} on {c.scored} rows (chance 0.50)." if c.apgr else "")
    )


def _strategies(c: Comparison) -> str:
    head = ("strategy", "quality", "% of all-frontier", "cost $", "% of all-frontier's cost")
    return table(
        head,
        [
            (
                line.strategy,
                _interval(line.quality, 3),
                f"{100 * line.quality_share:.1f}",
                f"{line.cost:.4f}",
                f"{100 * line.cost_share:.1f}",
            )
            for line in c.lines
        ],
    )


def _interval(estimate: Estimate, digits: int) -> str:
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
