"""The `logprobs` signal: what the likelihood of the generated tokens says about an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from custom_router.confidence.base import Answer, TokenLogprob

LOWEST_LOGPROB = -50.0
"""Floor of every log probability here; also what OpenAI's -9999 ("not among the top 20") becomes."""
_SEARCHED_TOKENS = 2_000
"""Tokens at the end of an answer in which its final value is looked for."""

_LETTER = re.compile(r"\s{0,8}[(\[*]{0,4}([A-J])(?:[)\]*]|[.:](?=\s|$)|\s*$)")
_VALUE = r"""
    [\s:=*]{0,8}(?:\$|\\\(|\\\[|\\text\{|\\boxed\{|[(\[*]){0,4}\s{0,4}
    (?P<value>[A-J](?![A-Za-z'’]) | [-+]?[$€£]?\d[\d,./]{0,30}\d | \d
      | \\d?frac\{[^{}\n]{1,20}\}\{[^{}\n]{1,20}\} | [^\s.$*}][^\n.$}]{0,60})
"""
_MARKED = re.compile(rf"(?:\#\#\#\#|\\boxed\{{|\b(?i:answer(?:\ is|:)))(?:\*\*)?{_VALUE}", re.VERBOSE)


def own_confidence(answer: Answer) -> float | None:
    """One log probability (-50 to 0) that the answer is right: what the calibrator takes as a model's raw confidence.
    None where nothing was measured."""
    reading = own_reading(answer)
    return None if reading is None else reading[0]


def own_reading(answer: Answer) -> tuple[float, str] | None:
    """A model's own confidence (log probability, -50 to 0) and what it was read from; each kind is calibrated apart.

    The measured one where there is one (`answer.confidence_kind`, else `tokens`). Else, for an answer that states a
    value, the sum over its tokens, which is the probability of just that value (`tokens`). Else the mean over all
    tokens (`words`): most of a text's tokens are wording, whose likelihood says little of whether it is right.
    """
    if answer.confidence is not None and not math.isnan(answer.confidence):
        return _clip(answer.confidence), answer.confidence_kind or "tokens"
    usable = _usable(answer.tokens)
    if not usable:
        return None
    span = _stated_span(usable)
    told = usable if span is None else usable[span.start : span.stop]
    total = math.fsum(_clip(token.logprob) for token in told)
    return (total / len(told), "words") if span is None else (_clip(total), "tokens")


def _stated_span(tokens: Sequence[TokenLogprob]) -> range | None:
    """Tokens of a value that stands out: the option letter that the text opens with ("C", "(C)", "C. Ciclesonide"),
    else what follows the last "####", "\\boxed{" or "answer is"."""
    offset = max(len(tokens) - _SEARCHED_TOKENS, 0)
    searched = tokens[offset:]
    text = "".join(token.token for token in searched)
    if offset == 0 and (letter := _LETTER.match(text)):
        return _tokens_at(searched, letter.start(1), letter.end(1), offset)
    if marked := next(reversed(list(_MARKED.finditer(text))), None):
        return _tokens_at(searched, marked.start("value"), marked.end("value"), offset)
    return None


def _clip(logprob: float) -> float:
    return min(max(logprob, LOWEST_LOGPROB), 0.0)


def _usable(tokens: Sequence[TokenLogprob]) -> list[TokenLogprob]:
    return [token for token in tokens if not math.isnan(token.logprob)]


def _tokens_at(tokens: Sequence[TokenLogprob], start: int, end: int, offset: int) -> range:
    first = last = None
    position = 0
    for index, token in enumerate(tokens):
        if position < end and position + len(token.token) > start:
            first, last = index if first is None else first, index
        position += len(token.token)
        if position >= end:
            break
    return range(offset + (first or 0), offset + (last or 0) + 1)
