"""The proxy's deployments as LiteLLM holds them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import litellm
from cachetools import TTLCache
from litellm.types.utils import Usage

from custom_router.decision import NO_LIMITS, Capability
from custom_router.deployments import (
    Deployment,
    cache_group,
    capabilities,
    first_priced,
    read_deployments,
    tier_models,
    tier_prices,
)
from custom_router.litellm_adapter.pricing import Rates, alternatives, read_rates
from custom_router.policy import Finding, Policy, PolicyError
from custom_router.policy.schema import Tiers
from custom_router.records.cost import Price
from custom_router.tiers import TIERS, Tier

logger = logging.getLogger(__name__)

_REFRESH_SECONDS = 10.0
REFUSED_S = 900.0
"""For which a deployment that refused log probabilities is not asked for them: it may have been the one request."""


def model_facts(model: str) -> Mapping[str, Any]:
    """LiteLLM's price map entry of a model; empty for one it does not know."""
    for key in (model, model.partition("/")[2]):
        entry = litellm.model_cost.get(key)
        if isinstance(entry, Mapping):
            return entry
    return {}


@dataclass(frozen=True, slots=True)
class TierFacts:
    """What each tier's deployments can all take; the price of each tier's first one, a token and in full; the models
    behind the tiers; the group that serves stored answers, if there is one."""

    capabilities: Mapping[Tier, Capability]
    prices: Mapping[Tier, Price] = field(default_factory=dict)
    rates: Mapping[Tier, Rates] = field(default_factory=dict)
    models: str = ""
    cache_group: str | None = None


class DeploymentTable:
    """The router's deployments, read again every ten seconds: LiteLLM can add models while it runs."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._list: list[Deployment] = []
        self._by_id: dict[str, Deployment] = {}
        self._rates: dict[str, Rates] = {}
        self._facts: tuple[Tiers, TierFacts] | None = None
        self._logprobs: dict[str, frozenset[str]] = {}
        self._refused: TTLCache[str, bool] = TTLCache(10_000, REFUSED_S)

    def all(self) -> list[Deployment]:
        """Every deployment; empty until LiteLLM has started."""
        if time.monotonic() - self._read_at > _REFRESH_SECONDS:
            from litellm.proxy.proxy_server import llm_router  # None until LiteLLM has started

            if llm_router is not None:
                self._list = read_deployments(llm_router.model_list, model_facts)
                self._by_id = {d.id: d for d in self._list if d.id}
                self._rates = read_rates(llm_router.model_list, self._by_id, self._rates)
                self._facts = None
                self._read_at = time.monotonic()
        return self._list

    def refuse_unknown_groups(self, policy: Policy) -> None:
        """Raise `PolicyError` for a tier whose model group LiteLLM does not have: all its requests would fail.

        Before LiteLLM has started nothing is known, and nothing is refused.
        """
        groups = {deployment.group for deployment in self.all()}
        tiers = policy.document.tiers
        unknown = [tier for tier in TIERS if groups and tiers[tier].model not in groups]
        if unknown:
            mend = f"LiteLLM has {', '.join(sorted(groups))}"
            raise PolicyError(
                [
                    Finding(policy.source, 0, f"tiers.{tier}.model", f"no model group {tiers[tier].model!r}; {mend}")
                    for tier in unknown
                ]
            )

    def tier_facts(self, tiers: Tiers) -> TierFacts:
        """What the tiers of a policy can take and cost; worked out once for each policy and reading."""
        known = self.all()
        if not known:
            return TierFacts(NO_LIMITS)
        if self._facts is None or self._facts[0] is not tiers:
            self._facts = (
                tiers,
                TierFacts(
                    capabilities(known, tiers),
                    tier_prices(known, tiers),
                    {t: self._rates[d.id] for t, d in first_priced(known, tiers).items() if d.id in self._rates},
                    tier_models(known, tiers),
                    cache_group(known),
                ),
            )
        return self._facts[1]

    def by_id(self, model_id: object) -> Deployment | None:
        """The deployment that LiteLLM names by this id."""
        self.all()
        return self._by_id.get(model_id) if isinstance(model_id, str) else None

    def tier_of_response(self, response_id: object, tiers: Tiers) -> Tier | None:
        """The tier that gave a response of `/v1/responses`; None where its id does not say.

        LiteLLM writes the deployment into the ids that clients get, and encrypts them, so that none can be made up.
        Whom the response belongs to it checks after us.
        """
        from litellm.proxy.hooks.responses_id_security import ResponsesIDSecurity
        from litellm.responses.utils import ResponsesAPIRequestUtils

        if not isinstance(response_id, str):
            return None
        plain, _, _ = ResponsesIDSecurity()._decrypt_response_id(response_id)
        deployment = self.by_id(ResponsesAPIRequestUtils.get_model_id_from_response_id(plain))
        return tiers.of_group(deployment.group) if deployment is not None else None

    def rates(self, model_id: object) -> Rates | None:
        """The prices of the deployment that LiteLLM names by this id."""
        self.all()
        return self._rates.get(model_id) if isinstance(model_id, str) else None

    def alternatives(self, tiers: Tiers, usage: Usage, model: str | None = None) -> dict[str, float]:
        """Dollars for tokens of an answer of `model` at each tier's first deployment, by tier."""
        return alternatives(self.tier_facts(tiers).rates, usage, model)

    def model_of(self, model_id: object) -> str | None:
        """The model of a deployment; None for one that is not known."""
        deployment = self.by_id(model_id)
        return deployment.model if deployment is not None else None

    def models(self, tiers: Tiers) -> str:
        """The models behind the tiers."""
        return self.tier_facts(tiers).models

    def logprobs_of(self, model_id: object) -> frozenset[str]:
        """Which of `logprobs` and `top_logprobs` a deployment takes; empty for one that takes neither.

        `model_info.supports_logprobs` says so outright; otherwise LiteLLM knows what the provider's API takes. A model
        that refuses all the same is found out by its refusal, which the tier's other provider makes good.
        """
        deployment = self.by_id(model_id)
        if deployment is None or deployment.id is None:
            return frozenset()
        if deployment.id in self._refused:
            return frozenset()
        if (known := self._logprobs.get(deployment.id)) is None:
            known = self._logprobs[deployment.id] = _logprobs(deployment)
        return known

    def note_no_logprobs(self, model_id: object) -> None:
        """A deployment refused a request for log probabilities: do not ask it again for `REFUSED_S`."""
        if isinstance(model_id, str) and self.logprobs_of(model_id):
            logger.warning("%s refused log probabilities; set model_info.supports_logprobs: false", model_id)
            self._refused[model_id] = True


def takes(deployment: Deployment, *names: str) -> frozenset[str]:
    """Which of these parameters LiteLLM knows the deployment's provider to take."""
    try:
        name, provider, _, _ = litellm.get_llm_provider(
            deployment.model, custom_llm_provider=deployment.params.get("custom_llm_provider")
        )
        supported = litellm.get_supported_openai_params(name, provider) or []
    except Exception:  # noqa: BLE001 - LiteLLM knows nothing of this provider
        supported = []
    return frozenset(names).intersection(supported)


def _logprobs(deployment: Deployment) -> frozenset[str]:
    said = deployment.facts.get("supports_logprobs")
    if said is False:
        return frozenset()
    known = takes(deployment, "logprobs", "top_logprobs")
    return known if "logprobs" in known else frozenset({"logprobs"} if said is True else ())
