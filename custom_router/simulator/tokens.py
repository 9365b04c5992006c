"""Token estimates: about four characters a token, always the same for the same text."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\s?\w{1,7}|\s?[^\w\s]|\s+")


def split_tokens(text: str) -> list[str]:
    """Cut `text` into token-like pieces; joined they give `text` back."""
    return _PIECE.findall(text)


def estimate_tokens(characters: int) -> int:
    """Tokens in a prompt of that many characters, without cutting it."""
    return (characters + 3) // 4
