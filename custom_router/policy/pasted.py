"""Policy text that somebody would like to try: checked as a file's would be, without reading any file that it names."""

from __future__ import annotations

from pathlib import Path

from custom_router.policy.load import Finding, Policy, PolicyError

MAX_CHARACTERS = 256 * 2**10
"""Of each text. A policy of that length takes seconds to read, and people wait for the answer."""


def parse_pasted(text: str | None, overrides: str | None, in_force: Policy) -> Policy:
    """The policy that the texts would make in the place of the one in force, each as it is there where it is None.

    No overrides file but the one in force can be named without its text. Raises `PolicyError`.
    """
    source = in_force.source
    named: list[Path] = []

    def read(path: Path) -> bytes:
        named.append(path)
        if overrides is not None:
            return overrides.encode("utf-8", "surrogatepass")
        held = in_force.overrides
        if held is not None and held.path == path:
            return held.content
        told = "names a file that is not in force, and none is read here; give its text as `overrides`"
        raise PolicyError([Finding(source, 0, "overrides", told)])

    policy = Policy.parse(in_force.content if text is None else text, source=source, read=read)
    if overrides is not None and not named:
        told = "overrides are given, but the policy names no file of them"
        raise PolicyError([Finding(source, 0, "overrides", told)])
    return policy


def unread(policy: Policy, in_force: Policy) -> list[str]:
    """What of an edit is not looked at before the file itself is loaded."""
    now, then = in_force.document, policy.document
    named = {
        "classifier.artifact": (now.classifier.artifact, then.classifier.artifact),
        "gate.artifact": (now.gate.artifact, then.gate.artifact),
    }
    return [
        f"{key} names another file, which is read and checked only when the policy is loaded"
        for key, (before, after) in named.items()
        if before != after and after is not None
    ]
