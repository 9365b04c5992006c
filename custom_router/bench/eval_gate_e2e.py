"""`python -m custom_router.bench.eval_gate_e2e`: the gate through the running proxy, on recorded answers.

The simulator's simple, medium and frontier models give the recorded answers of three models of a cascade, each as one
token whose log probability is the recorded confidence. Half of each source's rows calibrate the gate, the other half
are sent, each plain and streamed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import numpy as np
import typer
import yaml

from custom_router.bench.fleet import unwind_on_terminate
from custom_router.bench.load import open_client
from custom_router.bench.replay import read_records
from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.confidence.calibrate import GateArtifact
from custom_router.confidence.gate import GateThresholds, Verdict, gate
from custom_router.demo.stack import Stack, StackError
from custom_router.learn.gate_cascades import Cascade, read_cascades
from custom_router.learn.gate_fit import fit_gate
from custom_router.learn.gate_scored import Scored
from custom_router.learn.gate_similarity import TextSimilarity
from custom_router.tiers import TIERS, Tier

app = typer.Typer(add_completion=False)

MODELS = {Tier.SIMPLE: "llama3.1-8b", Tier.MEDIUM: "llama3.1-70b", Tier.FRONTIER: "llama3.1-405b"}
_KINDS = ("tokens", "words")
"""What a confidence is read from: a stated value, or a text. One calibration for both, as both are recorded."""


@dataclass(frozen=True)
class Sent:
    """One question of a cascade: by index, and the tier that answered it plain and streamed."""

    source: str
    index: int
    plain: str
    streamed: str


@app.command()
def eval_gate_e2e(
    data: Annotated[Path, typer.Option(help="Folder with router.jsonl.gz and answers.jsonl.gz.")],
    rows: Annotated[int, typer.Option(min=1, help="Questions to send from each source.")] = 60,
    out: Annotated[Path, typer.Option(help="Folder for the configuration, logs and records.")] = Path(
        "var/eval_gate_e2e"
    ),
) -> None:
    """Send recorded questions through the proxy and print what the gate delivered, kept and paid.

    Exits with 1 when a streamed answer got another verdict than the plain one, when the proxy decided otherwise than
    the same calibration does offline, or when a request has not exactly one record.
    """
    unwind_on_terminate()
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        cascades = read_cascades(data, TextSimilarity())
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from error
    artifact = calibrate(cascades)
    chosen = {cascade.name: [i for i in unique_rows(cascade) if i % 2][:rows] for cascade in cascades}
    stack = build(out, cascades, artifact)
    try:
        sent, answers = asyncio.run(_run(stack, cascades, chosen))
    except StackError as error:
        typer.echo(f"eval_gate_e2e: {error}", err=True)
        raise typer.Exit(1) from error
    records = {record["request_id"] for record in read_records(stack.records)}
    one_each = len(records) == answers == len(read_records(stack.records))
    raise typer.Exit(0 if report(cascades, sent, artifact, one_each) else 1)


def unique_rows(cascade: Cascade) -> list[int]:
    """Rows whose question appears once: the simulator finds an answer by its question."""
    return [i for i, prompt in enumerate(cascade.prompts) if cascade.prompts.count(prompt) == 1]


def calibrate(cascades: Sequence[Cascade]) -> GateArtifact:
    """One calibrator a signal set, fitted on the even rows of all sources; evaluation only, never shipped."""
    found = []
    for cascade in cascades:
        for model, opinion in ((MODELS[Tier.SIMPLE], None), (MODELS[Tier.MEDIUM], MODELS[Tier.SIMPLE])):
            outcome, score = cascade.models[model], cascade.score(model, opinion)
            found += [
                Scored(None, model, signals, float(score[i]), float(outcome.own[i]), float(outcome.good[i]), None)
                for i in range(0, len(cascade), 2)
                for signals in (kind + ("+opinion" if opinion else "") for kind in _KINDS)
            ]
    fitted = fit_gate(found, GateArtifact.load())
    return fitted.model_copy(update={"entries": tuple(e for e in fitted.entries if e.model is None)})


def build(out: Path, cascades: Sequence[Cascade], artifact: GateArtifact) -> Stack:
    """The shipped configuration with the recorded answers behind it, and a policy that tries simple first."""
    config = yaml.safe_load((bundle_root() / CONFIG).read_text(encoding="utf-8"))
    policy = yaml.safe_load((bundle_root() / POLICY).read_text(encoding="utf-8"))
    groups = {policy["tiers"][tier.value]["model"]: tier for tier in TIERS}
    replayed = []
    for entry in config["model_list"]:
        if entry["model_name"] not in groups:
            continue
        entry["model_info"] = {**(entry.get("model_info") or {}), "supports_logprobs": True}
        name = entry["litellm_params"]["model"].split("/", 1)[-1]
        for cascade in cascades:
            outcome = cascade.models[MODELS[groups[entry["model_name"]]]]
            for prompt, answer, own in zip(cascade.prompts, outcome.answers, outcome.own.tolist(), strict=True):
                token = {"token": answer, "logprob": own}
                replayed.append({"prompt": prompt, "model": name, "answer": answer, "logprobs": [token]})
    (out / "replay.jsonl").write_text("".join(json.dumps(row) + "\n" for row in replayed), encoding="utf-8")
    artifact.save(out / "gate.json")
    policy |= {
        "domains": {},
        "classifier": {"kind": "constant", "constant": 1.0},
        "gate": {"artifact": "gate.json", "escalate_to": "next"},
        "cache": {"enabled": False},
    }
    for name, document in ((CONFIG, config), (POLICY, policy)):
        (out / name).write_text(yaml.safe_dump(document), encoding="utf-8")
    return Stack(out / CONFIG, out / POLICY, out / "run", latency_scale=0.0, replay=out / "replay.jsonl")


async def _run(stack: Stack, cascades: Sequence[Cascade], chosen: dict[str, list[int]]) -> tuple[list[Sent], int]:
    sent = []
    with stack:
        async with open_client(stack.url, stack.master_key) as session:
            for cascade in cascades:
                for index in chosen[cascade.name]:
                    tiers = [await _ask(session, cascade.prompts[index], stream) for stream in (False, True)]
                    sent.append(Sent(cascade.name, index, *tiers))
    return sent, 2 * len(sent)


async def _ask(session: aiohttp.ClientSession, prompt: str, stream: bool) -> str:
    body: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    async with session.post("/v1/chat/completions", json=body) as response:
        await response.read()
        return response.headers.get("x-router-tier", "") if response.status == 200 else ""


def expected_tier(cascade: Cascade, artifact: GateArtifact) -> list[Tier]:
    """Where each row ends by the same calibration, offline: the chain's two verdicts at the default thresholds."""
    first, second = cascade.score(MODELS[Tier.SIMPLE]), cascade.score(MODELS[Tier.MEDIUM], MODELS[Tier.SIMPLE])

    def good_enough(signals: str, score: float) -> bool:
        confidence = artifact.confidence("", signals, score).value
        return gate(confidence, (), GateThresholds()) is not Verdict.ESCALATE

    alone, settled = _KINDS[0], f"{_KINDS[0]}+opinion"
    return [
        Tier.SIMPLE if good_enough(alone, a) else Tier.MEDIUM if good_enough(settled, b) else Tier.FRONTIER
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]


def report(cascades: Sequence[Cascade], sent: Sequence[Sent], artifact: GateArtifact, one_each: bool) -> bool:
    """Print the table; whether every promise held."""
    print("quality and cost as shares of all-frontier")
    print(f"{'source':<12}{'rows':>6}{'simple':>8}{'medium':>8}{'frontier':>9}{'quality':>9}{'cost':>7}")
    same_streamed = same_offline = 0
    shares = []
    for cascade in cascades:
        mine = [s for s in sent if s.source == cascade.name]
        offline = expected_tier(cascade, artifact)
        same_streamed += sum(s.plain == s.streamed for s in mine)
        same_offline += sum(s.plain == offline[s.index].value for s in mine)
        kept = [s for s in mine if s.plain]
        outcomes = [cascade.models[MODELS[tier]] for tier in TIERS]
        rank = [Tier(s.plain).rank for s in kept]
        good = sum(outcomes[r].good[s.index] for r, s in zip(rank, kept, strict=True))
        paid = sum(sum(outcomes[t].cost[s.index] for t in range(r + 1)) for r, s in zip(rank, kept, strict=True))
        top = outcomes[-1]
        share = good / sum(top.good[s.index] for s in kept), paid / sum(top.cost[s.index] for s in kept)
        shares.append(share)
        mix = [np.mean([r == tier.rank for r in rank]) for tier in TIERS]
        tiers = f"{mix[0]:>8.2f}{mix[1]:>8.2f}{mix[2]:>9.2f}"
        print(f"{cascade.name:<12}{len(mine):>6}{tiers}{share[0]:>9.3f}{share[1]:>7.2f}")
    quality, cost = np.mean(shares, axis=0)
    print(f"{'mean':<12}{len(sent):>6}{'':>25}{quality:>9.3f}{cost:>7.2f}")
    print(f"streamed and plain alike: {same_streamed} of {len(sent)}")
    print(f"proxy and offline alike: {same_offline} of {len(sent)}")
    print(f"exactly one record a request: {one_each}")
    return one_each and same_streamed == same_offline == len(sent)


if __name__ == "__main__":
    app()
