"""What tokens cost at a deployment, by LiteLLM's own calculator: cached, reasoning, audio and image tokens included."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from litellm import Router
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.router import CustomPricingLiteLLMParams
from litellm.types.router import Deployment as Configured
from litellm.types.utils import CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage

from custom_router.deployments import Deployment
from custom_router.litellm_adapter.reading import count
from custom_router.records.record import TokenFields
from custom_router.tiers import Tier

logger = logging.getLogger(__name__)

_PRICES = tuple(CustomPricingLiteLLMParams.model_fields)


class Rates:
    """The prices of one deployment: its own, with what LiteLLM adds to them, else the price map's."""

    def __init__(self, deployment: Deployment, entry: Mapping[str, Any]) -> None:
        """`entry` is the deployment's in the router's `model_list`."""
        self.model = deployment.model
        self._read_from = _what_matters(deployment, entry)
        self._provider = deployment.provider
        self._prices = _own_prices(entry) or dict(deployment.facts)

    def still_of(self, deployment: Deployment, entry: Mapping[str, Any]) -> bool:
        """Whether nothing has changed since: working them out takes a third of a millisecond."""
        return self._read_from == _what_matters(deployment, entry)

    def of(self, usage: Usage) -> float | None:
        """Dollars for these tokens; None where LiteLLM's calculator cannot say."""
        try:
            dollars = float(sum(generic_cost_per_token(self.model, usage, self._provider, model_info=self._prices)))
        except Exception as error:  # noqa: BLE001 - arithmetic on whatever a provider calls its usage, an operator a price
            logger.warning("no price for an answer of %s: %s", self.model, type(error).__name__)
            return None
        return dollars if math.isfinite(dollars) else None


def read_rates(
    model_list: Iterable[Any], known: Mapping[str, Deployment], before: Mapping[str, Rates] = MappingProxyType({})
) -> dict[str, Rates]:
    """The prices of each known deployment, by id; those read `before` where they still hold."""
    found = {}
    for entry in model_list:
        key = str((entry.get("model_info") or {}).get("id"))
        if (deployment := known.get(key)) is not None:
            held = before.get(key)
            found[key] = held if held is not None and held.still_of(deployment, entry) else Rates(deployment, entry)
    return found


def _what_matters(deployment: Deployment, entry: Mapping[str, Any]) -> tuple[object, ...]:
    return deployment.provider, dict(deployment.facts), dict(entry.get("litellm_params") or {})


def _own_prices(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The prices that a deployment's entry names, or None.

    Not as they stand in `litellm.model_cost`, where LiteLLM looks itself: each /v1/completions request overwrites them
    there with less than the whole.
    """
    try:
        found = dict(Router._deployment_model_cost_payload(Configured(**entry)))
    except Exception as error:  # noqa: BLE001 - LiteLLM's own reading of an entry, which serves whatever becomes of this
        logger.warning("prices of %s are taken from the price map: %s", entry.get("model_name"), type(error).__name__)
        return None
    return found if any(found.get(name) is not None for name in _PRICES) else None


def paid(billed: object, usage: Usage, rates: Rates | None) -> float | None:
    """What LiteLLM billed; where it billed nothing, the deployment's price. None: nothing is known.

    LiteLLM 1.106 bills /v1/responses and /v1/messages at nothing after any /v1/completions request to the same
    deployment, if that has its own prices.
    """
    if isinstance(billed, int | float) and billed > 0:
        return float(billed)
    nothing = not usage.prompt_tokens and not usage.completion_tokens
    return None if nothing or rates is None else rates.of(usage)


def billed_in_vain(data: Mapping[str, Any]) -> tuple[float | None, TokenFields | None]:
    """What LiteLLM bills for a request that failed, with its tokens: the part of a stream that came before it broke,
    and attempts that a provider charges for. None, None: nothing.

    LiteLLM 1.106 puts it among the request's data before the failure hooks, as objects, which no client can send.
    """
    usage, attempts = data.get("combined_usage_object"), data.get("billed_failed_attempts")
    costs = [data.get("response_cost")] if isinstance(usage, Usage) else []
    costs += [getattr(attempt, "response_cost", None) for attempt in attempts] if isinstance(attempts, tuple) else []
    billed = sum(float(cost) for cost in costs if isinstance(cost, int | float) and cost > 0)
    return (billed, tokens_of(usage) if isinstance(usage, Usage) else None) if billed else (None, None)


def usage_of(payload: Mapping[str, Any]) -> Usage:
    """The usage in LiteLLM's logging payload, as its calculator takes it."""
    metadata = payload.get("metadata")
    told = metadata.get("usage_object") if isinstance(metadata, Mapping) else None
    if isinstance(told, Mapping) and told:
        try:
            return Usage(**told)
        except Exception as error:  # noqa: BLE001 - a provider's own idea of usage: the two sums remain
            logger.debug("usage of an odd shape: %s", error)
    return plain_usage(TokenFields(count(payload.get("prompt_tokens")), count(payload.get("completion_tokens"))))


def plain_usage(tokens: TokenFields) -> Usage:
    """Usage without details, such as a stored answer's."""
    return Usage(prompt_tokens=tokens.input, completion_tokens=tokens.output, total_tokens=tokens.input + tokens.output)


def tokens_of(usage: Usage) -> TokenFields:
    """What the record keeps of a usage."""
    sent, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return TokenFields(
        count(usage.prompt_tokens),
        count(usage.completion_tokens),
        cached_input=_detail(sent, "cached_tokens"),
        cache_written=_detail(sent, "cache_creation_tokens") or _detail(sent, "cache_write_tokens"),
        reasoning=_detail(made, "reasoning_tokens"),
    )


def alternatives(first: Mapping[Tier, Rates], usage: Usage, model: str | None) -> dict[str, float]:
    """Dollars for the same tokens at each tier's first deployment, by tier; a tier without a price is left out.

    `model` gave the answer. The same model would have read and written its provider's prompt cache alike. What another
    one's cache would have held nobody knows: the tokens are priced as if it had held the same, written ones as plain
    input, or as if there were no cache, whichever is less, so that no saving is claimed that rests on that guess.
    """
    if not usage.prompt_tokens and not usage.completion_tokens:
        return {}
    elsewhere = _elsewhere(usage)
    found = {}
    for tier, rates in first.items():
        counted = [usage] if rates.model == model else elsewhere
        priced = [price for price in map(rates.of, counted) if price is not None]
        if len(priced) == len(counted):
            found[tier.value] = min(priced)
    return found


def _elsewhere(usage: Usage) -> list[Usage]:
    sent = usage.prompt_tokens_details
    cached, written = _detail(sent, "cached_tokens"), tokens_of(usage).cache_written
    if not cached and not written:
        return [usage]
    return [_with_reads(usage, cached), _with_reads(usage, 0)]


def _with_reads(usage: Usage, cached: int) -> Usage:
    sent, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=cached,
            audio_tokens=_detail(sent, "audio_tokens") or None,
            image_tokens=_detail(sent, "image_tokens") or None,
        ),
        completion_tokens_details=CompletionTokensDetailsWrapper(**made.model_dump()) if made is not None else None,
    )


def _detail(details: object, name: str) -> int:
    return count(getattr(details, name, None))
