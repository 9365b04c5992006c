"""Calls that LiteLLM bills at nothing although their deployment has a price."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any


def put_right(kwargs: MutableMapping[str, Any], payload: Mapping[str, Any], paid: float | None) -> None:
    """Tell LiteLLM the cost that it missed, so that its spend log and the caller's budgets hold what the record holds.

    LiteLLM 1.106 looks a deployment's own prices up under the provider that served it last: after a `/v1/completions`
    request, which counts as another provider, it finds none for `/v1/responses` and `/v1/messages`. Before any logger:
    `async_logging_hook`.
    """
    billed = kwargs.get("response_cost")
    if not paid or (isinstance(billed, int | float) and billed > 0):
        return
    kwargs["response_cost"] = paid
    if isinstance(payload, MutableMapping):
        payload["response_cost"] = paid
