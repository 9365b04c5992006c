"""The PromQL in `deploy/`: every expression of the dashboard and of the alerts, and what it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
_VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$team": ".*"}
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def alerts() -> list[dict[str, Any]]:
    """Every alert of the rules."""
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    """Every panel of every dashboard, rows apart."""
    for path in DASHBOARDS:
        yield from (p for p in json.loads(path.read_text(encoding="utf-8"))["panels"] if p["type"] != "row")


def queries() -> dict[str, list[str]]:
    """The queries of each panel, by its title, with Grafana's variables filled in."""
    found: dict[str, list[str]] = {}
    for panel in panels():
        filled = []
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in _VARIABLES.items():
                expression = expression.replace(name, value)
            assert "$" not in expression, expression
            filled.append(expression)
        found[panel["title"]] = filled
    return found


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """(metric, labels) that an expression asks for, suffixes of histograms removed and their `le` left out."""
    for part in re.split(r"\s(?:and|or|unless)\s", expression):
        grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", part) for label in re.findall(r"\w+", group)}
        for name, matchers in re.findall(r"\b(tier_router_\w+)(?:\{([^}]*)\})?", part):
            labels = set(re.findall(r"(\w+)\s*[=!]~?", re.sub(r'"[^"]*"', '""', matchers)))
            yield _SUFFIX.sub("", name), (labels | grouped) - {"le"}
