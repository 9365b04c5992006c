"""Pairs of questions in which two parts have changed places, made from templates and written by hand."""

from __future__ import annotations

from importlib import resources

import yaml

from custom_router.learn.cache_pairs import Pair


def swapped_pairs() -> list[Pair]:
    """All pairs, none of which may be served: source `swaps`, the kind of swap as their kind."""
    file = resources.files("custom_router.learn") / "cache_swaps.yaml"
    fields = yaml.safe_load(file.read_text(encoding="utf-8"))
    found = [
        Pair("swaps", text.format(a=a, b=b), text.format(a=b, b=a), False, kind)
        for kind, groups in fields["templates"].items()
        for group in groups
        for text in group["texts"]
        for a, b in group["fill"]
    ]
    for name, kind in (("pairs", "by hand"), ("later_pairs", "by hand, later")):
        found += [Pair("swaps", a, b, False, kind) for a, b in fields[name]]
    return found
