"""Four API shapes become one `RequestView`: everything the router may know about a request, bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from custom_router.signals import Signal, detect_signals

TEXT_LIMIT = 200_000
"""Characters of one text that are looked at; longer texts keep their head and tail. Length is counted whole."""
ENCODED_CHARS = 480
"""Characters of the bounded view given to an encoder, some 100 tokens. More costs the encoder's one thread in
proportion and told the models nothing measurable (docs/classifier.md)."""
_CHARS_PER_TOKEN = 4
_NESTING = 8
"""Tool results inside tool results that are looked into; no API nests them deeper than two."""


class CallType(StrEnum):
    """The client-facing API a request came through."""

    CHAT = "chat"
    COMPLETION = "completion"
    RESPONSES = "responses"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation, text parts joined."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """What one request asks, whichever API it came through. Immutable, bounded, free of LiteLLM types.

    `text` is the last user turn; `system` the joined system prompts; `history` all other turns, oldest first, of which
    the last `loop` came after the last user turn, as tool calls and results do. `resumes` names the earlier turns that
    only the provider has; without any user turn beside it `text` is empty and all of `history` a loop. `malformed` says
    why the body could not be read (the router then sends it up a tier).
    """

    call_type: CallType
    text: str
    system: str = ""
    history: tuple[Turn, ...] = ()
    loop: int = 0
    resumes: str | None = None
    images: int = 0
    attachments: int = 0
    tools: int = 0
    json_mode: bool = False
    stream: bool = False
    n: int = 1
    input_tokens: int = 0
    max_output_tokens: int | None = None
    signals: frozenset[Signal] = frozenset()
    malformed: str | None = None

    @property
    def turns(self) -> int:
        """Assistant turns already in the conversation; 0 for an opening request."""
        return sum(1 for turn in self.history if turn.role == "assistant")

    @property
    def bounded(self) -> str:
        """The text an encoder sees: head and tail of the last user turn, at most `ENCODED_CHARS` long.

        A follow-up too short to stand alone ("and in French?") is preceded by the user turn before it.
        """
        text = self.text.strip()
        if len(text) < 40:
            earlier = next((t.text.strip() for t in reversed(self.history) if t.role == "user" and t.text), "")
            text = f"{head_and_tail(earlier, ENCODED_CHARS // 2)}\n{text}".strip() if earlier else text
        return head_and_tail(text, ENCODED_CHARS)

    @property
    def searched(self) -> str:
        """The text that domain rules look at: system prompt, the last eight earlier user turns and the last turn.

        Head and tail of each, 48,000 characters together at most. Earlier turns get half the room, having had all
        of it when they were the last.
        """
        turns = [t.text for t in self.history if t.role == "user"][-8:]
        parts = [(self.system, 8_000), *((turn, 4_000) for turn in turns), (self.text, 8_000)]
        return "\n".join(head_and_tail(part, limit) for part, limit in parts if part)

    @classmethod
    def from_body(cls, call_type: CallType, body: object) -> RequestView:
        """Read a request body of the given API. Never raises: an unreadable body gives `malformed`."""
        if not isinstance(body, Mapping):
            return cls(call_type=call_type, text="", malformed=f"body is {type(body).__name__}, not an object")
        return _READERS[call_type](body)

    @classmethod
    def from_chat(cls, body: Mapping[str, Any]) -> RequestView:
        """Read a `/v1/chat/completions` body."""
        return _from_turns(CallType.CHAT, body, body.get("messages"), key="messages")

    @classmethod
    def from_messages(cls, body: Mapping[str, Any]) -> RequestView:
        """Read an Anthropic `/v1/messages` body, whose system prompt stands beside the messages."""
        return _from_turns(CallType.MESSAGES, body, body.get("messages"), key="messages", system=body.get("system"))

    @classmethod
    def from_responses(cls, body: Mapping[str, Any]) -> RequestView:
        """Read an OpenAI `/v1/responses` body: `input` is a text or a list of items."""
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        return _from_turns(CallType.RESPONSES, body, items, key="input", system=body.get("instructions"))

    @classmethod
    def from_completion(cls, body: Mapping[str, Any]) -> RequestView:
        """Read a `/v1/completions` body: `prompt` is a text or a list of texts (token ids count as unreadable)."""
        prompt = body.get("prompt")
        prompts = [prompt] if isinstance(prompt, str) else prompt
        if not isinstance(prompts, list) or not prompts or not all(isinstance(p, str) for p in prompts):
            return _view(CallType.COMPLETION, body, [], "", malformed="prompt is not text")
        joined = [{"role": "user", "content": "\n".join(prompts)}]
        return _from_turns(CallType.COMPLETION, body, joined, key="prompt")


def head_and_tail(text: str, limit: int) -> str:
    """At most `limit` characters: all of a short text, else its first two thirds and last third of the limit."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]}\n{text[len(text) - (limit - head - 1) :]}"


def _clean(text: str) -> str:
    # Lone surrogates are legal in a JSON string and illegal everywhere after it.
    return head_and_tail(text, TEXT_LIMIT).encode("utf-8", "replace").decode("utf-8")


@dataclass(slots=True)
class _Content:
    text: str = ""
    chars: int = 0
    images: int = 0
    attachments: int = 0
    only_results: bool = False
    """Whether it holds tool results and no words of the user's own."""


_TEXT_PARTS = {"text", "input_text", "output_text"}
_IMAGE_PARTS = {"image_url", "input_image", "image", "computer_screenshot"}
_FILE_PARTS = {"file", "input_file", "document", "input_audio", "audio", "video_url", "container_upload"}


def _read_content(content: object, depth: int = 0) -> _Content:
    if isinstance(content, str):
        return _Content(text=_clean(content), chars=len(content))
    read = _Content()
    texts: list[str] = []
    results: list[str] = []
    parts = [content] if isinstance(content, Mapping) else content
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, Mapping):
            continue
        kind = part.get("type")
        if not isinstance(kind, str):
            continue
        if kind in _TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in _IMAGE_PARTS:
            read.images += 1
        elif kind in _FILE_PARTS:
            read.attachments += 1
        elif kind == "tool_result" and depth < _NESTING:
            inner = _read_content(part.get("content"), depth + 1)
            results.append(inner.text)
            read.images += inner.images
            read.attachments += inner.attachments
            read.chars += inner.chars
    joined = "\n".join(texts)
    read.chars += len(joined)
    read.only_results = bool(results) and not joined.strip()
    read.text = _clean("\n".join(results) if read.only_results else joined)
    return read


def _role(call_type: CallType, item: Mapping[str, Any], read: _Content) -> object:
    """Who speaks in an item. Tool results are nobody's question, though Anthropic sends them as the user's."""
    role = item.get("role")
    if role == "user" and read.only_results:
        return "tool"
    if role is not None or call_type is not CallType.RESPONSES:
        return role
    kind = item.get("type", "message")
    if kind == "message":
        return "user"
    return "tool" if isinstance(kind, str) and kind.endswith("_output") else "assistant"


def _from_turns(
    call_type: CallType, body: Mapping[str, Any], items: object, *, key: str, system: object = None
) -> RequestView:
    if not isinstance(items, list) or not items:
        return _view(call_type, body, [], "", malformed=f"{key} is not a list of turns")
    turns: list[Turn] = []
    prompts: list[str] = []
    seen = _Content()
    if system is not None:
        read = _read_content(system)
        prompts.append(read.text)
        seen.chars += read.chars
    for item in items:
        if not isinstance(item, Mapping):
            return _view(call_type, body, [], "", malformed=f"{key} holds {type(item).__name__}, not an object")
        read = _read_content(item.get("content", item.get("output")))
        role = _role(call_type, item, read)
        seen.chars += read.chars
        seen.images += read.images
        seen.attachments += read.attachments
        if role in ("system", "developer"):
            prompts.append(read.text)
        elif isinstance(role, str):
            turns.append(Turn(role, read.text))
    asked = next((i for i in range(len(turns) - 1, -1, -1) if turns[i].role == "user"), None)
    view_system = _clean("\n".join(p for p in prompts if p))
    if asked is None and turns and call_type is CallType.RESPONSES and _resumes(body):
        asked, turns = 0, [Turn("user", ""), *turns]
    if asked is None:
        return _view(call_type, body, turns, view_system, seen, malformed="no user turn")
    ordered = [*turns[:asked], *turns[asked + 1 :], turns[asked]]
    return replace(_view(call_type, body, ordered, view_system, seen), loop=len(turns) - 1 - asked)


def _view(
    call_type: CallType,
    body: Mapping[str, Any],
    turns: list[Turn],
    system: str,
    seen: _Content | None = None,
    *,
    malformed: str | None = None,
) -> RequestView:
    seen = seen or _Content()
    text = turns[-1].text if turns and not malformed else ""
    tools = body.get("tools") or body.get("functions")
    tool_count = len(tools) if isinstance(tools, list) and body.get("tool_choice") != "none" else 0
    json_mode = _wants_json(body)
    return RequestView(
        call_type=call_type,
        text=text,
        system=system,
        history=tuple(turns[:-1]) if not malformed else tuple(turns),
        resumes=_resumes(body) if call_type is CallType.RESPONSES else None,
        images=seen.images,
        attachments=seen.attachments,
        tools=tool_count,
        json_mode=json_mode,
        stream=body.get("stream") is True,
        n=_positive_int(body.get("n")) or 1,
        input_tokens=seen.chars // _CHARS_PER_TOKEN + 1_000 * seen.images,
        max_output_tokens=_first_int(body, ("max_completion_tokens", "max_output_tokens", "max_tokens")),
        signals=detect_signals(text, tools=tool_count, attachments=seen.images + seen.attachments, json_mode=json_mode),
        malformed=malformed,
    )


def _resumes(body: Mapping[str, Any]) -> str | None:
    conversation = body.get("conversation")
    named = conversation.get("id") if isinstance(conversation, Mapping) else conversation
    resumed = body.get("previous_response_id") or named
    return str(resumed) if resumed else None


def _wants_json(body: Mapping[str, Any]) -> bool:
    asked = body.get("response_format")
    if asked is None and isinstance(body.get("text"), Mapping):
        asked = body["text"].get("format")
    return isinstance(asked, Mapping) and asked.get("type") in ("json_object", "json_schema")


def _positive_int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _first_int(body: Mapping[str, Any], keys: Iterable[str]) -> int | None:
    return next((found for key in keys if (found := _positive_int(body.get(key))) is not None), None)


_READERS = {
    CallType.CHAT: RequestView.from_chat,
    CallType.COMPLETION: RequestView.from_completion,
    CallType.RESPONSES: RequestView.from_responses,
    CallType.MESSAGES: RequestView.from_messages,
}
