"""The tier below which a policy sends a prompt whatever its scores are: what thresholds cannot change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Circumstances
from custom_router.domains.recognise import matched_by_rules, strictest
from custom_router.domains.rules import DomainRules
from custom_router.policy import Caller, Mode, Policy
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier

_PATIENT_S = 60.0
_CERTAIN = dict.fromkeys(TIERS, 1.0)


def floors(views: Sequence[RequestView], scores: Sequence[Scores], policy: Policy) -> npt.NDArray[np.intp]:
    """Rank of that tier (n,), 0 where thresholds alone decide: domains by their rules, signals, intents, long contexts,
    unfamiliar prompts. The domain model, keys' settings and conversations are not in a labelled line."""
    document = policy.document
    enforced = replace(policy, document=document.model_copy(update={"mode": Mode.ENFORCE}))
    rules = {name: DomainRules.compile(name, domain.rules) for name, domain in document.domains.items()}
    caller = Caller(max_tier=Tier.FRONTIER, min_tier=Tier.SIMPLE)

    def floor(view: RequestView, given: Scores) -> int:
        matches = matched_by_rules(rules, document.domains, caller, view.searched, _PATIENT_S)
        around = Circumstances(domain=strictest(matches, document.domains, caller.max_tier))
        return decide(view, replace(given, p_ok=_CERTAIN), caller, enforced, around).tier.rank

    return np.array([floor(view, given) for view, given in zip(views, scores, strict=True)], np.intp)
