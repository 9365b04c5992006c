"""One vLLM server over HTTP: connections, label ids, the canary that keeps it warm."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import httpx

from custom_router.classify.opinion import Rating
from custom_router.classify.vllm_prompt import INTENT, RATING, Question, chat_body, classify_body
from custom_router.classify.vllm_reply import (
    UnusableReply,
    class_log_odds,
    easiness,
    label_probabilities,
    token_id,
)
from custom_router.policy.classifier import VllmPolicy
from custom_router.request import CallType, RequestView

logger = logging.getLogger(__name__)

API_KEY = "TIER_ROUTER_VLLM_API_KEY"
LATE_S = 2.0
"""An answer that takes longer is given up: nobody would compare it any more."""
FIRST_PROBE_S = 30.0
"""A server that has just started computes its prompts for the first time."""
PROBE_S = 5.0
KEEP_WARM_S = 20.0
"""Between canaries: the system prompts stay in the server's cache, and a dead server is noticed without traffic."""
RETRY_S = 2.0
MAX_CONNECTIONS = 64
_SURE_INTENT = 0.5
_CANARY = RequestView(CallType.CHAT, "Say hello.")


class VllmClient:
    """Asks one server, in one event loop. `start` keeps it probed; `rate` raises until a canary has succeeded.

    Raises `httpx.HTTPError`, `TimeoutError` or `UnusableReply`.
    """

    def __init__(self, settings: VllmPolicy, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` replaces the network in tests."""
        self.settings = settings
        self.error: str | None = None
        self.ready = asyncio.Event()
        self.probed = asyncio.Event()
        """Set once the first canary has succeeded or failed."""
        self._ids: dict[Question, list[int]] = {}
        self._keeper: asyncio.Task[None] | None = None
        key = os.environ.get(API_KEY)
        # The environment's proxies are for the internet; this server stands next door.
        self._http = httpx.AsyncClient(
            base_url=settings.url or "",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=FIRST_PROBE_S,
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=120
            ),
            trust_env=False,
            transport=transport,
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        """What is asked about each request; nothing of a sequence classifier, which knows one question only."""
        if self.settings.head == "sequence":
            return ()
        return (RATING, INTENT) if self.settings.intent else (RATING,)

    def start(self) -> None:
        """Begin to probe, if that has not begun."""
        if self._keeper is None:
            self._keeper = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """Stop probing and close the connections."""
        if self._keeper is not None:
            self._keeper.cancel()
        await self._http.aclose()

    async def rate(self, view: RequestView) -> Rating:
        """The model's rating of one request."""
        async with asyncio.timeout(LATE_S):
            return await self._rate(view)

    async def probe(self) -> None:
        """Find the labels' ids and ask about a harmless request: raises unless a usable rating comes back."""
        async with asyncio.timeout(PROBE_S if self.ready.is_set() else FIRST_PROBE_S):
            for question in self.questions:
                ids = [token_id(await self._tokenize(label), label) for label in question.labels]
                if len(set(ids)) != len(ids):
                    raise UnusableReply(f"the labels {question.labels} share tokens: {ids}")
                self._ids[question] = ids
            await self._rate(_CANARY)

    async def _rate(self, view: RequestView) -> Rating:
        if self.settings.head == "sequence":
            return Rating(class_log_odds(await self._post("/classify", classify_body(self.settings.model, view))))
        answers = await asyncio.gather(*(self._choose(question, view) for question in self.questions))
        intent = None
        if self.settings.intent:
            best = max(range(len(answers[1])), key=answers[1].__getitem__)
            intent = INTENT.meanings[best] if answers[1][best] >= _SURE_INTENT else None
        return Rating(easiness(answers[0]), intent)

    async def _choose(self, question: Question, view: RequestView) -> list[float]:
        ids = self._ids[question]
        reply = await self._post("/v1/chat/completions", chat_body(self.settings.model, question, view, ids))
        return label_probabilities(reply, ids)

    async def _tokenize(self, label: str) -> Any:
        return await self._post(
            "/tokenize", {"model": self.settings.model, "prompt": label, "add_special_tokens": False}
        )

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        response = await self._http.post(path, json=body)
        if response.status_code != 200:
            raise UnusableReply(f"{path} answered {response.status_code}: {response.text[:200]}")
        try:
            return response.json()
        except ValueError as error:
            raise UnusableReply(f"{path} answered no JSON") from error

    async def _keep(self) -> None:
        while True:
            try:
                await self.probe()
            except Exception as error:  # noqa: BLE001 - a keeper that dies would leave the state as it was for ever
                told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                if self.error != told:
                    logger.error("vLLM classifier at %s is not usable: %s", self.settings.url, told)
                self.error = told
                self.ready.clear()
                self.probed.set()
                await asyncio.sleep(RETRY_S)
            else:
                if not self.ready.is_set():
                    logger.info("vLLM classifier at %s gives label log probabilities", self.settings.url)
                self.error = None
                self.ready.set()
                self.probed.set()
                await asyncio.sleep(KEEP_WARM_S)
