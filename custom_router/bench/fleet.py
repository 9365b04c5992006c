"""One simulator and one proxy for each variant, all up at once, stopped together whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from custom_router.bench.variants import VARIANTS, Variant, variant_config
from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.simulated import write_yaml
from custom_router.demo.stack import Stack
from custom_router.policy import Policy


@dataclass
class VariantProxy(Stack):
    """A proxy with a given configuration, on the simulator that another stack runs."""

    generated: Mapping[str, Any] = field(default_factory=dict)
    routed: bool = False
    """Whether the configuration runs the product, whose models have to be loaded too."""

    def _start_simulator(self) -> None:
        write_yaml(self.workdir / "litellm_config.yaml", self.generated)

    def _ready(self) -> bool:
        if self.routed:
            return super()._ready()
        try:
            answer = httpx.get(f"{self.url}/health/liveliness", timeout=5)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


def unwind_on_terminate() -> None:
    """Make SIGTERM unwind the program like Ctrl-C, so that `with` blocks stop their processes."""

    def unwind(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, unwind)


@contextmanager
def fleet(workdir: Path) -> Iterator[dict[Variant, Stack]]:
    """Start everything at latency 0 with the shipped configuration and policy. Raises `StackError`.

    The gate judges every answer and replaces none: what a second call upstream takes is not the router's doing. The
    cache is off, so that every request is answered upstream; `scripts/bench_cache` measures it by itself. Each
    proxy is one process with one worker, started by the same command.
    """
    config, policy, ungated = bundle_root() / CONFIG, workdir / POLICY, workdir / f"ungated_{POLICY}"
    shipped = yaml.safe_load((bundle_root() / POLICY).read_text(encoding="utf-8"))
    shipped = {**shipped, "cache": {"enabled": False}}
    write_yaml(policy, {**shipped, "gate": {**shipped["gate"], "escalate_below": 0.0}})
    write_yaml(ungated, {**shipped, "gate": {**shipped["gate"], "enabled": False, "overrides": []}})
    document = Policy.load(policy).document
    with ExitStack() as open_stacks:
        product = Stack(config, policy, workdir / Variant.PLUGIN, latency_scale=0.0)
        stacks: dict[Variant, Stack] = {Variant.PLUGIN: open_stacks.enter_context(product)}
        generated = yaml.safe_load((product.workdir / "litellm_config.yaml").read_text(encoding="utf-8"))
        for variant in VARIANTS:
            if variant is not Variant.PLUGIN:
                changed = variant_config(generated, variant, document.entry_models, document.tiers)
                routed = variant is Variant.UNGATED
                stacks[variant] = VariantProxy(
                    config, ungated if routed else policy, workdir / variant, generated=changed, routed=routed
                )
                open_stacks.push(stacks[variant])  # stopped even if starting it is what fails
        with ThreadPoolExecutor(2) as two_at_a_time:
            list(two_at_a_time.map(Stack.__enter__, (stacks[v] for v in VARIANTS if v is not Variant.PLUGIN)))
        yield {variant: stacks[variant] for variant in VARIANTS}
