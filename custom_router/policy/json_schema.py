"""The JSON Schema of routing_policy.yaml, which editors complete and check against."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from custom_router.policy.schema import PolicyDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:litellm-tier-router:routing-policy:1"


def policy_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a policy document, generated from the model that checks it."""
    schema = PolicyDocument.model_json_schema()
    # The class speaks to programmers there; an editor shows this text to whoever writes the file.
    schema["$defs"]["Tier"]["description"] = "A price and quality class, cheapest first."
    return {
        "$schema": DIALECT,
        "$id": ID,
        **schema,
        "title": "LiteLLM tier router policy",
        "description": "routing_policy.yaml: tiers, thresholds, domains, floors, limits and records.",
    }


def schema_text() -> str:
    """The schema as the text of routing_policy.schema.json."""
    return _as_text(policy_schema())


def model_text(model: type[BaseModel]) -> str:
    """The schema of another file that people edit, as text."""
    return _as_text({"$schema": DIALECT, **model.model_json_schema()})


def _as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
