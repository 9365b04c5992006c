"""What the simulator plays: which models, how fast, what they refuse."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field


class ModelSpec(BaseModel):
    """One model's speed and abilities.

    The time to the first token is lognormal with median `latency_ms` and shape `sigma`; the rest of the
    answer follows at `tokens_per_second`. Zero means "at once" for both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float = Field(default=0.0, ge=0, le=600_000)
    sigma: float = Field(default=0.0, ge=0, le=3)
    tokens_per_second: float = Field(default=0.0, ge=0)
    logprobs: bool = Field(default=True, description="False: a request for logprobs is answered 400.")
    vision: bool = Field(default=True, description="False: a request with an image is answered 400.")
    reasoning_tokens: int = Field(default=0, ge=0, description="Spent on thinking before each answer, and billed.")


class SimulatorConfig(BaseModel):
    """The whole simulator. A model that is not listed behaves as `default`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[str, ModelSpec] = Field(default_factory=dict)
    default: ModelSpec = ModelSpec()
    replay: Path | None = Field(default=None, description="JSON lines of recorded answers; see `replay.ReplayRow`.")
    latency_scale: float = Field(default=1.0, ge=0, description="Multiplies every delay; 0 answers at once.")
    seed: int = Field(default=0, description="Seeds the latency draws and the fault probabilities.")
    log_size: int = Field(default=1000, ge=1, description="Requests kept per provider in `GET /_sim/log`.")
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    retry_after_s: int = Field(default=1, ge=0, description="`retry-after` of a simulated 429.")
    slow_first_token_s: float = Field(default=5.0, ge=0, description="Added by the `slow_first_token` fault, unscaled.")
    embedding_dimensions: int = Field(default=384, ge=1, le=4096)

    def spec(self, model: str) -> ModelSpec:
        """The spec of `model`, or the default one."""
        return self.models.get(model, self.default)


def load_config(path: Path) -> SimulatorConfig:
    """Read a YAML (or JSON) file; a relative `replay` path is taken from the file's folder.

    Raises `OSError`, `yaml.YAMLError` or `pydantic.ValidationError`.
    """
    config = SimulatorConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    if config.replay is not None and not config.replay.is_absolute():
        return config.model_copy(update={"replay": path.parent / config.replay})
    return config
