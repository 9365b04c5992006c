"""Request bodies of the three text endpoints, checked and reduced to one `Ask`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from custom_router.simulator.content import Tool, read_content, read_format, read_inputs, read_tools
from custom_router.simulator.errors import ApiError
from custom_router.simulator.tokens import estimate_tokens

IMAGE_TOKENS = 85

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as the answerer sees it, whatever endpoint it came through."""

    model: str
    prompt: str
    prompt_tokens: int
    context: str = ""
    """All texts of the prompt in their order, as a prompt cache sees them."""
    cached_tokens: int = 0
    written_tokens: int = 0
    """Newly put into the prompt cache, where a provider counts that."""
    reasoning_tokens: int = 0
    has_image: bool = False
    after_tool: bool = False
    tools: tuple[Tool, ...] = ()
    json_mode: bool = False
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    logprobs: bool = False
    top_logprobs: int = 0


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class _Common(BaseModel):
    model: str = Field(min_length=1)
    n: int | None = Field(default=None, ge=1, le=128)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None

    def sampling(self) -> dict[str, Any]:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return {
            "model": self.model,
            "n": self.n or 1,
            "stream": bool(self.stream),
            "include_usage": bool(self.stream_options and self.stream_options.include_usage),
            "stop": tuple(text for text in stop if text),
        }


class ChatBody(_Common):
    """The part of `POST chat/completions` that changes the answer."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None


class CompletionBody(_Common):
    """The part of `POST completions` that changes the answer."""

    prompt: str | list[str] | list[int] | list[list[int]]
    max_tokens: int | None = Field(default=None, ge=1)
    logprobs: int | None = Field(default=None, ge=0, le=20)


class EmbeddingBody(BaseModel):
    """`POST embeddings`."""

    model: str = Field(min_length=1)
    input: str | list[str] | list[int] | list[list[int]] = Field(min_length=1)
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1, le=4096)


@dataclass(slots=True)
class Thread:
    """What the messages say, gathered in one pass."""

    prompt: str = ""
    characters: int = 0
    has_image: bool = False
    images: int = 0
    after_tool: bool = False
    roles: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, role: str, content: Any, where: str) -> None:
        """Take in one message. Raises a 400 `ApiError` naming `where` when the content has the wrong type."""
        text, images = read_content(content, where)
        self.characters += len(text)
        self.images += images
        self.after_tool = role == "tool"
        self.roles.append(role)
        self.texts.append(text)
        if role == "user":
            self.prompt = text

    @property
    def prompt_tokens(self) -> int:
        """Estimated tokens, three for each message's wrapping."""
        return estimate_tokens(self.characters) + 3 * len(self.roles) + IMAGE_TOKENS * self.images


def validate(kind: type[Body], body: dict[str, Any]) -> Body:
    """Check `body` against `kind`. Raises a 400 `ApiError` that names the first wrong field."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ApiError(400, f"Invalid value for '{where}': {first['msg']}.", param=where) from error


def parse_chat(body: dict[str, Any]) -> Ask:
    """A chat completion request. Raises a 400 `ApiError`."""
    chat = validate(ChatBody, body)
    thread = Thread()
    for index, message in enumerate(chat.messages):
        role = message.get("role")
        if not isinstance(role, str):
            raise ApiError(400, f"Missing 'messages[{index}].role'.", param=f"messages[{index}].role")
        thread.add(role, message.get("content"), f"messages[{index}].content")
    if chat.top_logprobs and not chat.logprobs:
        raise ApiError(400, "'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
    json_mode, schema = read_format(chat.response_format, nested=True)
    return Ask(
        **chat.sampling(),
        prompt=thread.prompt,
        prompt_tokens=thread.prompt_tokens,
        context="\n".join(thread.texts),
        has_image=thread.images > 0,
        after_tool=thread.after_tool,
        tools=read_tools(chat.tools, chat.tool_choice, nested=True),
        json_mode=json_mode,
        schema=schema,
        max_tokens=chat.max_completion_tokens or chat.max_tokens,
        logprobs=bool(chat.logprobs),
        top_logprobs=chat.top_logprobs or 0,
    )


def parse_completion(body: dict[str, Any]) -> list[Ask]:
    """A legacy completion request, one `Ask` for each prompt in it. Raises a 400 `ApiError`."""
    completion = validate(CompletionBody, body)
    if completion.prompt == []:
        raise ApiError(400, "'prompt' holds no prompt.", param="prompt")
    return [
        Ask(
            **completion.sampling(),
            prompt=prompt,
            prompt_tokens=tokens,
            context=prompt,
            max_tokens=completion.max_tokens,
            logprobs=completion.logprobs is not None,
            top_logprobs=completion.logprobs or 0,
        )
        for prompt, tokens in read_inputs(completion.prompt)
    ]
