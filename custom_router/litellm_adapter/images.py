"""Images and deployments without vision: such a request is refused before it is sent, and no fallback leads there."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import HTTPException

from custom_router.decision import Capability, Decision
from custom_router.policy import Caller, Mode
from custom_router.policy.schema import Tiers
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier


class ImageRefused(HTTPException):
    """The tier that must answer a request with an image does not take images. Records name this class."""


def blind_tiers(view: RequestView, mode: Mode, capabilities: Mapping[Tier, Capability]) -> frozenset[Tier]:
    """Tiers that a request must not reach: it holds an image, and a deployment of theirs takes none.

    None in shadow and off, where the router keeps nothing from a caller that LiteLLM alone would have sent on.
    """
    if not view.images or mode is not Mode.ENFORCE:
        return frozenset()
    return frozenset(tier for tier, able in capabilities.items() if not able.vision)


def refused(decision: Decision, caller: Caller, blind: frozenset[Tier], tiers: Tiers) -> ImageRefused | None:
    """The error for a request whose tier is among the blind ones, with what to change; None for any other."""
    tier = decision.served
    if tier not in blind:
        return None
    group = tiers[tier].model
    capped = tier is caller.max_tier and tier is not Tier.FRONTIER
    why = (
        f"{tier.value} is the highest tier that this key may use now" if capped else f"it must go to tier {tier.value}"
    )
    # Raising the cap helps only where something above it takes images.
    higher = next((t.value for t in TIERS[tier.rank + 1 :] if t not in blind), None) if capped else None
    mend = f"raise max_tier to {higher}, or " if higher else ""
    told = (
        f"the request holds an image, {why}, and the models of {group} do not all take images: {mend}give {group} "
        "models with vision (model_info.supports_vision: true where LiteLLM does not know it of a model)"
    )
    return ImageRefused(400, {"error": told})
