"""Sends prompts through a running stack one by one, and puts each answer beside its decision record."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from custom_router.bench.load import ANSWER_TOKENS, open_client
from custom_router.demo.stack import Stack
from custom_router.tiers import Tier

HEADERS = tuple(
    f"x-router-{name}"
    for name in (
        "tier", "cause", "complexity", "confidence", "escalated", "domain", "cache", "cache-id", "cache-age", "policy",
        "request-id", "overhead-ms",
    )
)  # fmt: skip
"""What every routed response must carry."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One request: HTTP status (0: no answer) and the response's `x-router-*` headers."""

    id: str
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Routed:
    """One answered request with its one record. `need` is 1 − p_ok[simple], NaN where nothing was scored."""

    id: str
    tier: Tier
    need: float
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was promised of every request, counted. All but `requests` must be zero."""

    requests: int
    unanswered: int
    headers_missing: int
    without_record: int
    with_several_records: int
    records_of_no_request: int
    tier_differs: int
    """Responses whose tier header is not their record's tier."""

    @property
    def clean(self) -> bool:
        """Whether every promise held."""
        return not any(
            (
                self.unanswered, self.headers_missing, self.without_record, self.with_several_records,
                self.records_of_no_request, self.tier_differs,
            )
        )  # fmt: skip


def replay(
    stack: Stack, prompts: Mapping[str, str], say: Callable[[str], None]
) -> tuple[list[Replayed], list[dict[str, Any]]]:
    """Start `stack`, send each prompt (by id) as a chat request for `auto`, stop it, and read its records.

    One at a time, so that what is measured is the decision and not the queue. Raises `StackError`.
    """
    shutil.rmtree(stack.records, ignore_errors=True)
    with stack:
        sent = asyncio.run(_send_all(stack, prompts, say))
    return sent, read_records(stack.records)


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Every record in a folder of segments."""
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines()]


def audit(sent: Sequence[Replayed], records: Iterable[Mapping[str, Any]]) -> tuple[list[Routed], Audit]:
    """Join answers and records by request id; only requests for which everything holds are returned."""
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_id.setdefault(record["request_id"], []).append(record)
    found: Counter[str] = Counter()
    routed: list[Routed] = []
    for request in sent:
        matching = by_id.pop(request.headers.get("x-router-request-id", ""), [])
        problems = {
            "unanswered": request.status != 200,
            "headers_missing": any(not request.headers.get(name) for name in HEADERS),
            "without_record": not matching,
            "with_several_records": len(matching) > 1,
            "tier_differs": bool(matching) and matching[0]["tier"] != request.headers.get("x-router-tier"),
        }
        found.update(name for name, wrong in problems.items() if wrong)
        if not any(problems.values()):
            routed.append(_routed(request.id, matching[0]))
    return routed, Audit(
        requests=len(sent),
        unanswered=found["unanswered"],
        headers_missing=found["headers_missing"],
        without_record=found["without_record"],
        with_several_records=found["with_several_records"],
        records_of_no_request=sum(map(len, by_id.values())),
        tier_differs=found["tier_differs"],
    )


def _routed(row_id: str, record: Mapping[str, Any]) -> Routed:
    p_ok = (record["scores"]["p_ok"] or {}).get(Tier.SIMPLE.value)
    return Routed(row_id, Tier(record["tier"]), math.nan if p_ok is None else 1.0 - p_ok, tuple(record["causes"]))


async def _send_all(stack: Stack, prompts: Mapping[str, str], say: Callable[[str], None]) -> list[Replayed]:
    sent: list[Replayed] = []
    async with open_client(stack.url, stack.master_key) as session:
        for number, (row_id, prompt) in enumerate(prompts.items(), start=1):
            sent.append(await _send(session, row_id, prompt))
            if number % 100 == 0:
                say(f"{number} of {len(prompts)}")
    return sent


async def _send(session: aiohttp.ClientSession, row_id: str, prompt: str) -> Replayed:
    body = {"model": "auto", "max_tokens": ANSWER_TOKENS, "messages": [{"role": "user", "content": prompt}]}
    try:
        async with session.post("/v1/chat/completions", json=body) as response:
            await response.read()
            return Replayed(row_id, response.status, {k.lower(): v for k, v in response.headers.items()})
    except (aiohttp.ClientError, TimeoutError):
        return Replayed(row_id, 0, {})
