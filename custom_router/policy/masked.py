"""Policy text fit to be kept and shown: without the passwords that its URLs may hold. Pure."""

from __future__ import annotations

import re

from custom_router.policy.load import Policy, PolicyError, read_yaml

_USER_INFO = re.compile(r"(?<=://)[^\s'\"<>]*@")
_PARAMETER = re.compile(r"(?i)([?&](?:password|passwd|pwd|token|secret|key|username)=)[^&\s'\"]+")
_WITH_USER_INFO = re.compile(r"[a-z][a-z0-9+.-]*://(.*)@", re.IGNORECASE | re.DOTALL)
WITHHELD = "# This text is not shown: it holds a secret that could not be masked.\n"


def masked(text: str) -> str:
    """The text with whatever stands between `://` and `@`, and the values of parameters that name a secret, as `***`.

    Comments too. Withheld altogether where YAML still reads a secret in it, split over lines say.
    """
    shown = _PARAMETER.sub(r"\1***", _USER_INFO.sub("***@", text))
    try:
        data = read_yaml(shown.encode("utf-8", "replace"), "policy")
    except PolicyError:
        return shown
    return WITHHELD if _secret_in(data) else shown


def _secret_in(value: object) -> bool:
    if isinstance(value, dict):
        return any(_secret_in(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return any(_secret_in(item) for item in value)
    found = _WITH_USER_INFO.match("".join(value.split())) if isinstance(value, str) else None
    return found is not None and found[1] != "***"


def masked_texts(policy: Policy) -> tuple[str, str | None]:
    """The policy's own text and its overrides', masked; None without overrides."""
    overrides = policy.overrides.content.decode("utf-8-sig", "replace") if policy.overrides is not None else None
    return masked(policy.content.decode("utf-8-sig", "replace")), masked(overrides) if overrides is not None else None
