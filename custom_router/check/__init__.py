"""Do litellm_config.yaml and routing_policy.yaml fit together? Pure rules over both files, one finding per line."""

from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.run import check_texts
from custom_router.check.subject import Outside

__all__ = ["CheckFinding", "Outside", "Severity", "check_texts"]
