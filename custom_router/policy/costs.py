"""The policy's `costs` section: what the router itself costs that no provider bills."""

from __future__ import annotations

from pydantic import Field

from custom_router.policy.section import Section


class CostPolicy(Section):
    """What running the router costs, beside the providers' bills. Without these a saving is net of those only."""

    cpu_usd_per_hour: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What one processor core of the proxy costs an hour, charged to each request for the time that deciding took. 0:
    the proxy would stand there without the router too."""
    fixed_usd_per_month: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What the router costs a month however much it is used: a GPU for the classifier, Redis, somebody's time. Not
    charged to requests; reports set it against what was saved."""
