"""Rules over the policy's domains."""

from __future__ import annotations

from collections.abc import Iterator

from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.subject import Subject
from custom_router.domains.model import DomainModel


def known_to_model(subject: Subject) -> Iterator[CheckFinding]:
    """Only a domain that the shipped model knows has a probability to hold against a threshold."""
    known = DomainModel.shipped()
    for name, domain in subject.policy.domains.items():
        if domain.threshold is not None and name not in known:
            yield subject.policy_finding(
                Severity.ERROR,
                ("domains", name, "threshold"),
                f"the domain model knows {', '.join(sorted(known))} only",
                "remove the threshold; the domain's rules recognise it",
            )
