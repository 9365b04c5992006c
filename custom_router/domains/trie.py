"""Many literal strings as one regular expression that shares their prefixes, so that it is tried only once."""

from __future__ import annotations

import re
from collections.abc import Iterable

Node = dict[str, "Node"]
_END = ""


def alternation(entries: Iterable[str]) -> str:
    """An expression for any of `entries`, the longest first. One blank matches any run of white space."""
    root: Node = {}
    for entry in entries:
        node = root
        for character in entry:
            node = node.setdefault(character, {})
        node[_END] = {}
    return _expression(root)


def _expression(node: Node) -> str:
    branches = []
    for character, following in node.items():
        if character == _END:
            continue
        tail = character
        # An unbranched run stays one literal: shorter to compile and quicker to search.
        while len(following) == 1 and _END not in following:
            ((character, following),) = following.items()
            tail += character
        literal = "\\s++".join(re.escape(part) for part in tail.split(" "))
        branches.append(literal + (_expression(following) if set(following) != {_END} else ""))
    if not branches:
        return ""
    body = branches[0] if len(branches) == 1 and _END not in node else f"(?:{'|'.join(branches)})"
    return body + ("?" if _END in node else "")
