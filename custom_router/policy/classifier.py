"""The policy's `classifier` section: who estimates how likely a cheap tier is good enough."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from custom_router.policy.section import Probability, Section
from custom_router.tiers import Tier


class OutOfDistribution(Section):
    """What to do with a prompt unlike anything the classifier was trained on."""

    limit: Probability = 0.99
    """Highest tolerated out-of-distribution score: the share of training prompts that are more typical."""
    tier: Tier = Tier.FRONTIER
    """Least tier for such a prompt. Below the frontier, a hard request that is encoded or garbled goes lower than it
    would in plain words."""


class TierCurve(Section):
    """From a rating to a probability: `p_ok = 1 / (1 + exp(-(intercept + slope * rating)))`."""

    intercept: float = 0.85
    slope: float = Field(default=0.5, ge=0)


class MediumCurve(TierCurve):
    """The medium tier's: it is good enough more often."""

    intercept: float = 1.4


class RatingCalibration(Section):
    """What the vLLM model's rating, a log-odds of being easy, says about each cheap tier."""

    fitted: bool = False
    """Whether the curves come from outcomes of your own. Until then they are a guess, and move `p_ok` only inside
    `classifier.hybrid.band`, whatever the kind."""
    simple: TierCurve = TierCurve()
    medium: MediumCurve = MediumCurve()


class VllmPolicy(Section):
    """The local model behind vLLM, for the kinds `vllm` and `hybrid`. See docs/classifier.md."""

    url: str | None = None
    """Root of the server, without `/v1`: http://localhost:8001. A key, if it wants one, is read from
    `$TIER_ROUTER_VLLM_API_KEY`."""
    model: str = "tier-router-classifier"
    """Name the server serves the model under."""
    head: Literal["labels", "sequence"] = "labels"
    """`labels`: a chat model, asked to choose a letter. `sequence`: a fine-tuned sequence classifier, through
    `/classify`."""
    intent: bool = False
    """Whether it is asked for the intent too, in a second request beside the first. `labels` only."""
    on_failure: Literal["embedding", "up"] = "embedding"
    """When it is late or down: the embedding classifier's tier, or one tier above it."""
    usd_per_hour: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What the server costs an hour, charged to requests for the time that their questions keep it busy. Leave it 0
    where it stands in `costs.fixed_usd_per_month`, or it counts twice."""
    calibration: RatingCalibration = RatingCalibration()

    @field_validator("url")
    @classmethod
    def _is_root(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        parts = urlsplit(url)  # raises ValueError for brackets that do not match
        if parts.username is not None or parts.password is not None:
            raise ValueError("must hold no user and no password; the key comes from $TIER_ROUTER_VLLM_API_KEY")
        if not parts.hostname or not parts.hostname.isascii() or parts.port == 0 or parts.query or parts.fragment:
            raise ValueError("must be a scheme, a host, a port where it needs one, and no more than a path")
        return url.rstrip("/").removesuffix("/v1")


class HybridPolicy(Section):
    """When the embedding classifier asks the vLLM model, and how much its answer weighs."""

    band: Probability = 0.01
    """It is asked where the embedding's p_ok lies at most this far from a threshold that decides. The head's p_ok spans
    little: a wide band asks about nearly everything."""
    vllm_weight: Probability = 0.4
    """Weight of its log-odds; the embedding's have the rest. A starting point, from no measurement."""


class ScoreCachePolicy(Section):
    """Scores of prompts seen a moment ago, kept per key so that a repeated prompt costs no inference."""

    capacity: int = Field(default=10_000, ge=0)
    """Prompts remembered in each worker; 0 switches it off."""
    ttl_minutes: float = Field(default=10.0, gt=0)


class ClassifierPolicy(Section):
    """Which classifier estimates p_ok for each tier."""

    kind: Literal["embedding", "vllm", "hybrid", "constant", "random"] = "embedding"
    """`embedding`: the trained head. `vllm`: a small local model is asked about every request. `hybrid`: it is asked
    only where the head is unsure. `constant` and `random` are controls for evaluations."""
    artifact: str | None = None
    """Head made by `tier-router train`, relative to this file; left out, the shipped one, which has seen none of your
    traffic. Replacing the file applies like an edit of this one."""
    constant: Probability = 0.5
    """p_ok that the `constant` classifier answers for every cheap tier."""
    on_failure: Tier = Tier.FRONTIER
    """Tier for a request that could not be classified (encoder late, busy, missing or broken)."""
    out_of_distribution: OutOfDistribution = OutOfDistribution()
    vllm: VllmPolicy = VllmPolicy()
    hybrid: HybridPolicy = HybridPolicy()
    cache: ScoreCachePolicy = ScoreCachePolicy()

    @model_validator(mode="after")
    def _reachable(self) -> ClassifierPolicy:
        if self.asks_vllm and self.vllm.url is None:
            raise ValueError(f"kind {self.kind} needs vllm.url")
        return self

    @property
    def asks_vllm(self) -> bool:
        """Whether the vLLM model has a say."""
        return self.kind in ("vllm", "hybrid")

    @property
    def needs_head(self) -> bool:
        """Whether the trained head scores requests."""
        return self.kind in ("embedding", "vllm", "hybrid")
