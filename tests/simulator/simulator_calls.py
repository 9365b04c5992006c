"""Calls the simulator tests share."""

from __future__ import annotations

from typing import Any

import httpx
import openai
from openai.types.chat import ChatCompletion

from custom_router.simulator import Simulator

http = httpx.Client()
"""One for all tests: making a client reads the certificate store, which costs more than the tests do."""


def ask(client: openai.OpenAI, prompt: str = "How do suspension bridges carry load?", **kwargs: Any) -> ChatCompletion:
    """A plain chat completion."""
    kwargs.setdefault("model", "plain")
    answer = client.chat.completions.create(messages=[{"role": "user", "content": prompt}], **kwargs)
    assert isinstance(answer, ChatCompletion)
    return answer


def seen(sim: Simulator) -> dict[str, Any]:
    """The request log by provider."""
    providers = http.get(f"{sim.url}/_sim/log").json()["providers"]
    assert isinstance(providers, dict)
    return providers
