"""The routing policy: schema, loading, caller limits, watching."""

from custom_router.policy.cache import CachePolicy, CacheScope
from custom_router.policy.caller import NOT_GIVEN, Caller, resolve_caller, router_settings
from custom_router.policy.load import Finding, Policy, PolicyError
from custom_router.policy.schema import DomainPolicy, Mode, PolicyDocument, Rules

__all__ = [
    "NOT_GIVEN",
    "CachePolicy",
    "CacheScope",
    "Caller",
    "DomainPolicy",
    "Finding",
    "Mode",
    "Policy",
    "PolicyDocument",
    "PolicyError",
    "Rules",
    "resolve_caller",
    "router_settings",
]
