"""routing_policy.schema.json: generated from the model, valid by itself, and true of the shipped policy."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from custom_router.bundle import SCHEMA, bundle_root, shipped_policy_text
from custom_router.policy.json_schema import policy_schema, schema_text
from custom_router.policy.load import read_yaml

VALIDATOR = jsonschema.Draft202012Validator(policy_schema())


def _shipped() -> Any:
    return read_yaml(shipped_policy_text().encode(), "routing_policy.yaml")


def test_the_checked_in_file_is_current() -> None:
    held = (bundle_root() / SCHEMA).read_text("utf-8")
    assert held == schema_text(), "run: tier-router schema --write routing_policy.schema.json"


def test_it_is_a_valid_schema_of_its_draft() -> None:
    schema = policy_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"]
    assert schema["title"]
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_shipped_policy_is_valid() -> None:
    assert list(VALIDATOR.iter_errors(_shipped())) == []


def test_every_section_has_a_description() -> None:
    assert [name for name, section in policy_schema()["$defs"].items() if not section.get("description")] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("treshold",), 1),
        (("mode",), "on"),
        (("tiers", "simple", "threshold"), 1.5),
        (("tiers", "simple", "threshold"), "high"),
        (("signals",), {"poetry": "medium"}),
    ],
)
def test_an_editor_would_underline(path: tuple[str, ...], value: object) -> None:
    document = _shipped()
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert list(VALIDATOR.iter_errors(document))
