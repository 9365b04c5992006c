"""The generating endpoints: a request body becomes a `Draft`, which the app then times and sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from custom_router.simulator import classifier, wire
from custom_router.simulator.answers import Answer, Answerer
from custom_router.simulator.config import SimulatorConfig
from custom_router.simulator.content import read_inputs
from custom_router.simulator.errors import ApiError
from custom_router.simulator.messages import asks_for_cache, message_body, message_events, parse_messages
from custom_router.simulator.prompt_cache import PromptCache, cacheable
from custom_router.simulator.replies import Headers, data_event, named_event
from custom_router.simulator.request import Ask, EmbeddingBody, parse_chat, parse_completion, validate
from custom_router.simulator.responses import parse_responses, response_body, response_events

_DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Draft:
    """An answer before it is timed and sent.

    `events` is None for a plain answer; `tokens` is the length of the longest choice; `model` is None where
    no model answers.
    """

    model: str | None
    body: Callable[[], Any]
    events: Callable[[], Iterable[bytes]] | None = None
    tokens: int = 0
    headers: Headers = field(default_factory=list)


class Endpoints:
    """One method for each endpoint; all raise `ApiError` for a request that must be refused."""

    def __init__(self, config: SimulatorConfig, answerer: Answerer) -> None:
        self._config = config
        self._answerer = answerer
        self._prompts = PromptCache()

    def chat(self, body: dict[str, Any]) -> Draft:
        """`POST chat/completions`."""
        if body.get("logprob_token_ids"):
            return self._at_once(body, classifier.labelled)
        ask = self._remembered(parse_chat(body))
        answers = self._answer(ask)

        def events() -> Iterable[bytes]:
            yield from map(data_event, wire.chat_chunks(ask, answers))
            yield _DONE

        return _draft(ask, answers, lambda: wire.chat_completion(ask, answers), events)

    def completions(self, body: dict[str, Any]) -> Draft:
        """`POST completions`."""
        asks = list(map(self._remembered, parse_completion(body)))
        answers = [answer for ask in asks for answer in self._answer(ask)]

        def events() -> Iterable[bytes]:
            yield from map(data_event, wire.text_chunks(asks, answers))
            yield _DONE

        return _draft(asks[0], answers, lambda: wire.text_completion(asks, answers), events)

    def responses(self, body: dict[str, Any]) -> Draft:
        """`POST responses`."""
        ask = self._remembered(parse_responses(body))
        answer = self._answer(ask)[0]

        def events() -> Iterable[bytes]:
            return map(named_event, response_events(ask, answer, body))

        return _draft(ask, [answer], lambda: response_body(ask, answer, body), events)

    def messages(self, body: dict[str, Any]) -> Draft:
        """Anthropic's `POST messages`."""
        ask = parse_messages(body)
        if asks_for_cache(body):
            ask = self._remembered(ask)
            ask = replace(ask, written_tokens=cacheable(ask.prompt_tokens) - ask.cached_tokens)
        answer = self._answer(ask)[0]

        def events() -> Iterable[bytes]:
            return map(named_event, message_events(ask, answer))

        return _draft(ask, [answer], lambda: message_body(ask, answer), events)

    def embeddings(self, body: dict[str, Any]) -> Draft:
        """`POST embeddings`."""
        request = validate(EmbeddingBody, body)
        inputs = read_inputs(request.input)
        dimensions = request.dimensions or self._config.embedding_dimensions
        as_base64 = request.encoding_format == "base64"
        return Draft(request.model, lambda: wire.embeddings(request.model, inputs, dimensions, as_base64=as_base64))

    def tokenize(self, body: dict[str, Any]) -> Draft:
        """vLLM's `POST /tokenize`."""
        return self._at_once(body, classifier.tokenized)

    def classify(self, body: dict[str, Any]) -> Draft:
        """vLLM's `POST /classify`."""
        return self._at_once(body, classifier.classified)

    def _at_once(self, body: dict[str, Any], reply: Callable[[dict[str, Any]], dict[str, Any]]) -> Draft:
        made = reply(body)
        return Draft(body["model"], lambda: made, tokens=1)

    def models(self) -> Draft:
        """`GET models`: the configured ones; others are answered too."""
        return Draft(None, lambda: wire.model_list(sorted(self._config.models)))

    def _remembered(self, ask: Ask) -> Ask:
        """The ask, with what of its prompt the provider has seen before, and what the model will think."""
        thinks = self._config.spec(ask.model).reasoning_tokens
        return replace(ask, cached_tokens=self._prompts.read(ask.model, ask.context), reasoning_tokens=thinks)

    def _answer(self, ask: Ask) -> list[Answer]:
        spec = self._config.spec(ask.model)
        if ask.has_image and not spec.vision:
            raise ApiError(400, f"Model '{ask.model}' does not accept images.", param="messages")
        if ask.logprobs and not spec.logprobs:
            raise ApiError(400, f"Model '{ask.model}' does not support logprobs.", param="logprobs")
        return self._answerer.answer(ask)


def _draft(ask: Ask, answers: list[Answer], body: Callable[[], Any], events: Callable[[], Iterable[bytes]]) -> Draft:
    headers: Headers = []
    if answers[0].replayed:
        headers.append((b"x-sim-replayed", b"true"))
    if answers[0].score is not None:
        headers.append((b"x-sim-score", f"{answers[0].score:g}".encode()))
    longest = max(len(answer.tokens) for answer in answers)
    return Draft(ask.model, body, events if ask.stream else None, longest, headers)
