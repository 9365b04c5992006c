"""The compared configurations and the prompts, without starting anything."""

from __future__ import annotations

import ast
import inspect
from itertools import islice
from pathlib import Path

import pytest
import yaml

from custom_router.bench import empty_hooks
from custom_router.bench.prompts import fresh_prompts
from custom_router.bench.variants import Variant, variant_config
from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.policy import Policy

PRODUCT = yaml.safe_load((bundle_root() / CONFIG).read_text(encoding="utf-8"))
DOCUMENT = Policy.load(bundle_root() / POLICY).document


def made(variant: Variant) -> dict[str, object]:
    config: dict[str, object] = variant_config(PRODUCT, variant, DOCUMENT.entry_models, DOCUMENT.tiers)
    return config


def hook_methods(path: Path) -> dict[str, list[str]]:
    """Method → argument names, of the one class in a hook file. Read, not imported: importing starts the router."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    methods = [m for c in tree.body if isinstance(c, ast.ClassDef) for m in c.body]
    return {m.name: [a.arg for a in m.args.args] for m in methods if isinstance(m, ast.AsyncFunctionDef)}


@pytest.mark.parametrize(
    ("file", "empty"), [("pre_call.py", empty_hooks.EmptyPreCall), ("post_call.py", empty_hooks.EmptyPostCall)]
)
def test_empty_hooks_are_the_product_s_methods(file: str, empty: type) -> None:
    mine = {name: list(inspect.signature(m).parameters) for name, m in vars(empty).items() if inspect.isfunction(m)}
    assert mine == hook_methods(bundle_root() / "hooks" / file)


def test_all_variants_have_the_same_deployments() -> None:
    groups = {DOCUMENT.tiers.simple.model, DOCUMENT.tiers.medium.model, DOCUMENT.tiers.frontier.model}
    tiers = [entry for entry in PRODUCT["model_list"] if entry["model_name"] in groups]
    assert made(Variant.PLUGIN) == made(Variant.UNGATED) == PRODUCT
    for variant in (Variant.BARE, Variant.EMPTY_HOOKS, Variant.COMPLEXITY):
        listed = made(variant)["model_list"]
        assert isinstance(listed, list)
        assert [entry for entry in listed if entry["model_name"] in groups] == tiers


def test_only_the_product_runs_the_product_s_hooks() -> None:
    for variant in Variant:
        routed = variant in (Variant.PLUGIN, Variant.UNGATED)
        assert ("- hooks.pre_call" in yaml.safe_dump(made(variant))) == routed


def test_every_variant_knows_each_entry_model() -> None:
    for variant in Variant:
        config = made(variant)
        settings, listed = config["router_settings"], config["model_list"]
        assert isinstance(settings, dict)
        assert isinstance(listed, list)
        known = {*settings["model_group_alias"], *(entry["model_name"] for entry in listed)}
        assert known >= set(DOCUMENT.entry_models)


@pytest.mark.parametrize("tokens", [20, 256])
def test_prompts_never_repeat_and_have_the_length_asked_for(tokens: int) -> None:
    prompts = list(islice(fresh_prompts(7, tokens), 2_000))
    assert len(set(prompts)) == 2_000
    # A word or a mark is about one token for these everyday words.
    lengths = [len(prompt.replace("?", " ?").split()) for prompt in prompts]
    assert 0.8 * tokens <= sum(lengths) / len(lengths) <= 1.1 * tokens


def test_prompts_are_the_same_for_the_same_seed_only() -> None:
    assert list(islice(fresh_prompts(1, 20), 5)) == list(islice(fresh_prompts(1, 20), 5))
    assert list(islice(fresh_prompts(1, 20), 5)) != list(islice(fresh_prompts(2, 20), 5))
