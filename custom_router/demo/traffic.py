"""The demo's requests, sent as an application would: through the official `openai` client, and plain HTTP where
that client has no method."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import httpx
import yaml
from openai import AsyncOpenAI, OpenAIError

# One red pixel.
_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look up a current fact about a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "fact": {"type": "string", "enum": ["weather", "time"]}},
            "required": ["place", "fact"],
        },
    },
}


@dataclass(frozen=True, slots=True)
class DemoPrompt:
    """One request of the demo. `form` is how it is sent; `before` the turn that a follow-up follows."""

    prompt: str
    form: str = "plain"
    before: str | None = None

    @property
    def requests(self) -> int:
        """Requests it takes: a follow-up needs its opening turn first."""
        return 2 if self.before else 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` are the response's; `error` is None for an answer. Milliseconds."""

    prompt: DemoPrompt
    headers: Mapping[str, str]
    text: str
    elapsed_ms: float
    error: str | None = None

    def router(self, name: str) -> str:
        """One of the `x-router-*` headers, without the prefix."""
        return self.headers.get(f"x-router-{name}", "")


def demo_prompts() -> list[DemoPrompt]:
    """The shipped prompts, in order."""
    rows = yaml.safe_load(files("custom_router.demo").joinpath("prompts.yaml").read_text(encoding="utf-8"))
    return [DemoPrompt(row["prompt"], row.get("as", "plain"), row.get("before")) for row in rows]


class Application:
    """An application with one API key, asking for the model `auto`."""

    def __init__(self, url: str, key: str, timeout_s: float = 60.0) -> None:
        # No retries of its own: a request that the stack loses must be seen.
        self._client = AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=timeout_s)
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=timeout_s, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(self._client.close(), self._http.aclose())

    async def ask(self, prompt: DemoPrompt) -> Answer:
        """Send one request in its form and wait for the whole answer. Never raises for a failed request."""
        began = time.perf_counter()
        headers: Mapping[str, str] = {}
        text, error = "", None
        try:
            headers, text = await _FORMS[prompt.form](self, prompt)
        except (OpenAIError, httpx.HTTPError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Answer(prompt, headers, text, (time.perf_counter() - began) * 1000, error)

    async def _chat(self, messages: list[Any], **options: Any) -> tuple[Mapping[str, str], str]:
        raw = await self._client.chat.completions.with_raw_response.create(model="auto", messages=messages, **options)
        message = raw.parse().choices[0].message
        calls = [call.function.name for call in message.tool_calls or [] if call.type == "function"]
        return raw.headers, message.content or f"calls {', '.join(calls)}"

    async def _plain(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        return await self._chat([_user(prompt.prompt)])

    async def _follow_up(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        opening = _user(prompt.before or "")
        _, answer = await self._chat([opening])
        return await self._chat([opening, {"role": "assistant", "content": answer}, _user(prompt.prompt)])

    async def _tools(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        return await self._chat([_user(prompt.prompt)], tools=[_TOOL])

    async def _json(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        return await self._chat([_user(f"{prompt.prompt} Answer in JSON.")], response_format={"type": "json_object"})

    async def _image(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        parts = [{"type": "text", "text": prompt.prompt}, {"type": "image_url", "image_url": {"url": _PICTURE}}]
        return await self._chat([{"role": "user", "content": parts}])

    async def _stream(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        raw = await self._client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": prompt.prompt}], stream=True
        )
        pieces = [c.choices[0].delta.content or "" async for c in raw.parse() if c.choices]
        return raw.headers, "".join(pieces)

    async def _responses(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        raw = await self._client.responses.with_raw_response.create(model="auto", input=prompt.prompt)
        return raw.headers, raw.parse().output_text

    async def _completion(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        raw = await self._client.completions.with_raw_response.create(model="auto", prompt=prompt.prompt)
        return raw.headers, raw.parse().choices[0].text

    async def _messages(self, prompt: DemoPrompt) -> tuple[Mapping[str, str], str]:
        body = {"model": "auto", "max_tokens": 512, "messages": [_user(prompt.prompt)]}
        response = await self._http.post("/v1/messages", json=body)
        response.raise_for_status()
        parts = response.json().get("content") or []
        return response.headers, "".join(part.get("text", "") for part in parts)


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


_FORMS = {
    "plain": Application._plain,
    "stream": Application._stream,
    "tools": Application._tools,
    "json": Application._json,
    "image": Application._image,
    "follow_up": Application._follow_up,
    "responses": Application._responses,
    "completion": Application._completion,
    "messages": Application._messages,
}
