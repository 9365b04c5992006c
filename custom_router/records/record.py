"""The decision record (one JSON line per routed request) and how it is put together."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from custom_router.causes import Cause


@dataclass(slots=True)
class Tenant:
    """Who asked. `key_hash` is LiteLLM's own hash of the virtual key, never the key; `end_user` is whom the client says
    that it asks for."""

    team: str | None = None
    team_alias: str | None = None
    key_alias: str | None = None
    key_hash: str | None = None
    end_user: str | None = None

    @property
    def account(self) -> str | None:
        """Whose traffic this is counted as: the team's, of a key without one its own."""
        return self.team or self.key_hash


@dataclass(slots=True)
class DomainFields:
    """The domain recognised, its score in 0..1, the rule that matched and the tier that the policy then required; all
    null for none."""

    name: str | None = None
    score: float | None = None
    rule: str | None = None
    tier: str | None = None


@dataclass(slots=True)
class VllmFields:
    """The vLLM classifier's word: `log_odds` per tier before calibration, `intent`, how many milliseconds it took,
    whether it was `heard` in time, and why not. All empty where it was not asked."""

    log_odds: dict[str, float] = field(default_factory=dict)
    intent: str | None = None
    ms: float | None = None
    heard: bool | None = None
    failure: str | None = None


@dataclass(slots=True)
class ScoreFields:
    """What the classifier thought. `p_ok` per tier, `complexity` 0..10, `ood` 0..1, `intent` where one is clear. `own`
    is the embedding's p_ok alone where the vLLM classifier was asked too, `cached` whether the same prompt had been
    scored a moment before."""

    p_ok: dict[str, float] = field(default_factory=dict)
    complexity: float | None = None
    source: str = "none"
    ood: float | None = None
    intent: str | None = None
    cached: bool = False
    own: dict[str, float] = field(default_factory=dict)
    vllm: VllmFields = field(default_factory=VllmFields)


@dataclass(slots=True)
class CacheFields:
    """What the cache did: `hit`, `miss` or `bypass`. `similarity`, `p_same` and `entry_id` tell of the entry found, at
    a miss of the nearest one that was refused; `guard` says why it was, or why the cache was passed by."""

    status: str = "bypass"
    kind: str | None = None
    similarity: float | None = None
    p_same: float | None = None
    entry_id: str | None = None
    guard: str | None = None
    age_s: float | None = None


@dataclass(slots=True)
class GateFields:
    """What the confidence gate did. `mode` is how the answer was held: `whole` (not streamed), `buffer`, `prefix` or
    `off`. `verdict` is `bypass` where it did not run, `confidence` the last judged answer's, `escalated_to` the tier
    whose answer replaced it, `held_ms` how long the answer waited for its verdict and its replacement. `source` names
    what the confidence was read from, and `model` whose answer was judged last."""

    mode: str = "off"
    signals: dict[str, float] = field(default_factory=dict)
    source: str | None = None
    model: str | None = None
    confidence: float | None = None
    verdict: str = "bypass"
    escalated_to: str | None = None
    held_ms: float | None = None


@dataclass(slots=True)
class ExperimentFields:
    """The experiment this request took part in."""

    name: str | None = None
    arm: str | None = None
    propensity: float | None = None


@dataclass(slots=True)
class TokenFields:
    """Tokens as the provider counted them. `cached_input` (read from the provider's prompt cache) and `cache_written`
    (newly put there) are among `input`, `reasoning` is among `output`."""

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_written: int = 0
    reasoning: int = 0


@dataclass(slots=True)
class CostFields:
    """US dollars. `total` is everything: the `first_attempt`, the `escalation` that replaced it, and `classifier`, what
    deciding and judging cost: `self_check`, the model's own second look at its answers, `vllm`, a share of the machine
    that serves the vLLM classifier, and `embedding`, the proxy's own processor time.

    `alternatives` prices the delivered answer's tokens at each tier's first deployment, `frontier_baseline` is the
    frontier's of them and `saved` is that minus `total`. Null, or left out, where a price is unknown."""

    total: float | None = None
    first_attempt: float | None = None
    escalation: float = 0.0
    classifier: float = 0.0
    self_check: float = 0.0
    vllm: float = 0.0
    embedding: float = 0.0
    alternatives: dict[str, float] = field(default_factory=dict)
    frontier_baseline: float | None = None
    saved: float | None = None


@dataclass(slots=True)
class OutcomeFields:
    """How it ended: `ok`, `error`, or `unknown` when LiteLLM never reported an end. `feedback` and `judge`, 0 to 1, are
    for who labels records: a record is written once, and what callers say later is a line of its own beside it."""

    status: str = "unknown"
    error: str | None = None
    feedback: float | None = None
    judge: float | None = None


@dataclass(slots=True)
class DecisionRecord:
    """One routed request, from decision to outcome. Field names are a contract; prompt text only by policy."""

    request_id: str
    time: str
    policy_version: str
    entry_model: str
    call_type: str
    stream: bool
    tenant: Tenant
    mode: str = "enforce"
    litellm_call_id: str | None = None
    domain: DomainFields = field(default_factory=DomainFields)
    scores: ScoreFields = field(default_factory=ScoreFields)
    tier: str = ""
    decided_tier: str = ""
    decided_by: str = ""
    model_group: str = ""
    deployment: str | None = None
    causes: list[str] = field(default_factory=list)
    cache: CacheFields = field(default_factory=CacheFields)
    gate: GateFields = field(default_factory=GateFields)
    experiment: ExperimentFields = field(default_factory=ExperimentFields)
    latency_ms: dict[str, float] = field(default_factory=dict)
    tokens: TokenFields = field(default_factory=TokenFields)
    cost: CostFields = field(default_factory=CostFields)
    outcome: OutcomeFields = field(default_factory=OutcomeFields)
    text: str | None = None

    def note(self, cause: Cause) -> None:
        """Add a cause, once."""
        if cause.value not in self.causes:
            self.causes.append(cause.value)

    def to_json(self) -> bytes:
        """One line of JSON, without the line end. Never raises: what JSON cannot hold is written as its repr."""
        try:
            return orjson.dumps(self, default=repr)
        except TypeError:
            # Lone surrogates and integers beyond 64 bits, which the metadata of a key may hold.
            return orjson.dumps(_storable(asdict(self)), default=repr)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, for LiteLLM's logging metadata."""
        plain: dict[str, Any] = orjson.loads(self.to_json())
        return plain


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return repr(value)
    return value


# An address without its end counts too: the text is cut. The look-behind keeps a long word from being tried anew at
# each of its letters.
_SECRETS = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w.-]+|\b[\w-]{24,}\b|\d")
TEXT_LIMIT = 4_000


def logged_text(text: str, level: str) -> str | None:
    """What of a prompt may enter the record: nothing, the text with e-mail addresses, long tokens and digits
    masked, or all of it; at most 4,000 characters."""
    if level == "off":
        return None
    kept = text[:TEXT_LIMIT].encode("utf-8", "replace").decode("utf-8")
    return _SECRETS.sub("#", kept) if level == "redacted" else kept
