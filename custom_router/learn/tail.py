"""The tail of traffic, told from prompts alone: what an average hides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custom_router.classify.typicality import Typicality
from custom_router.domains.rules import DomainRules
from custom_router.learn.head_training import Prompts
from custom_router.learn.outcomes import Mask
from custom_router.policy import Policy
from custom_router.signals import Signal

_RARE = 0.9
_LONG_CHARS = 1_500
_RULES_S = 1.0


def tail_slices(prompts: Prompts, typicality: Typicality, policy: Policy) -> Iterator[tuple[str, Mask]]:
    """Rare (more unusual than nine tenths of training prompts), high stakes (a domain's rules match) and hard (code,
    mathematics or very long), each a name and its rows (n,)."""
    rare = [typicality.score(view, vector) for view, vector in zip(prompts.views, prompts.vectors, strict=True)]
    yield "rare", np.array(rare) >= _RARE
    rules = [DomainRules.compile(name, one.rules) for name, one in policy.document.domains.items()]
    yield "high stakes", np.array([any(r.match(v.searched, _RULES_S) for r in rules) for v in prompts.views], bool)
    hard = {Signal.CODE, Signal.MATH}
    yield "hard", np.array([bool(hard & v.signals) or len(v.text) > _LONG_CHARS for v in prompts.views], bool)
