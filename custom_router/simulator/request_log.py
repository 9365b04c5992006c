"""What each provider was sent, for tests that must prove which one saw what."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_PROVIDERS = 256
MAX_MODELS = 256


@dataclass(slots=True)
class Entry:
    """One request. `headers` holds the `x-` ones that carry no secret, `fault` what it met or "killed"."""

    time: float
    path: str
    headers: dict[str, str]
    model: str | None = None
    stream: bool = False
    has_image: bool = False
    body_keys: list[str] = field(default_factory=list)
    fault: str | None = None


@dataclass(slots=True)
class _Provider:
    entries: deque[Entry]
    count: int = 0
    models: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class RequestLog:
    """The last `size` requests of each provider and counts of all since the last reset."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._providers: OrderedDict[str, _Provider] = OrderedDict()

    def open(self, provider: str, path: str, headers: Iterable[tuple[str, str]]) -> Entry:
        """Record a request as it arrives; the caller fills in the rest and then calls `close`."""
        seen = self._providers.get(provider)
        if seen is None:
            seen = self._providers[provider] = _Provider(deque(maxlen=self._size))
            if len(self._providers) > MAX_PROVIDERS:
                self._providers.popitem(last=False)
        kept = {name: value[:200] for name, value in headers if _may_be_kept(name)}
        entry = Entry(time.time(), path, kept)
        seen.entries.append(entry)
        seen.count += 1
        return entry

    def close(self, provider: str, entry: Entry) -> None:
        """Count what is known of the request once it has been read."""
        seen = self._providers.get(provider)
        if seen is None:
            return
        if entry.model is not None:
            known = entry.model in seen.models or len(seen.models) < MAX_MODELS
            seen.models[entry.model if known else "(other)"] += 1
        if entry.fault is not None:
            seen.faults[entry.fault] += 1

    def reset(self) -> None:
        """Forget everything."""
        self._providers.clear()

    def snapshot(self) -> dict[str, Any]:
        """`{provider: {count, models, faults, requests: [oldest … newest]}}`."""
        return {
            name: {
                "count": seen.count,
                "models": dict(seen.models),
                "faults": dict(seen.faults),
                "requests": [asdict(entry) for entry in seen.entries],
            }
            for name, seen in self._providers.items()
        }


def _may_be_kept(name: str) -> bool:
    return name.startswith("x-") and not any(word in name for word in ("key", "auth", "token", "secret"))
