"""The `logprobs` signal: what the likelihood of the generated tokens says about an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from custom_router.confidence.base import Answer, TokenLogprob
from custom_router.request import RequestView

LOWEST_LOGPROB = -50.0
"""Floor of every log probability here; also what OpenAI's -9999 ("not among the top 20") becomes."""
SHORT_ANSWER_TOKENS = 16
"""Up to here the whole text is the answer; beyond it most tokens are reasoning or wording."""
_SEARCHED_TOKENS = 2_000
"""Tokens at the end of an answer in which its final value is looked for."""

_LETTER = re.compile(r"\s{0,8}[(\[*]{0,4}([A-J])(?:[)\]*]|[.:](?=\s|$)|\s*$)")
_VALUE = r"""
    [\s:=*]{0,8}(?:\$|\\\(|\\\[|\\text\{|\\boxed\{|[(\[*]){0,4}\s{0,4}
    (?P<value>[A-J](?![A-Za-z'’]) | [-+]?[$€£]?\d[\d,./]{0,30}\d | \d
      | \\d?frac\{[^{}\n]{1,20}\}\{[^{}\n]{1,20}\} | [^\s.$*}][^\n.$}]{0,60})
"""
_MARKED = re.compile(rf"(?:\#\#\#\#|\\boxed\{{|\b(?i:answer(?:\ is|:)))(?:\*\*)?{_VALUE}", re.VERBOSE)


def token_features(tokens: Sequence[TokenLogprob]) -> dict[str, float] | None:
    """Features of an answer's token log probabilities (natural logarithms, -50 to 0), or None without usable tokens.

    `mean`, `min`, `q10`, `q50` and `first` over all tokens; `answer`, the least sure token of the answer span (see
    `answer_span`; `mean` where it has none); `length`, log(1 + tokens); and `entropy`, mean nats over the listed
    alternatives with all unlisted mass as one more, only where the provider listed any.
    """
    usable = _usable(tokens)
    if not usable:
        return None
    logprobs = np.clip([token.logprob for token in usable], LOWEST_LOGPROB, 0.0)
    mean = float(logprobs.mean())
    span = answer_span(usable)
    q10, q50 = np.quantile(logprobs, (0.1, 0.5))
    features = {
        "mean": mean,
        "min": float(logprobs.min()),
        "q10": float(q10),
        "q50": float(q50),
        "first": float(logprobs[0]),
        "answer": mean if span is None else float(logprobs[span.start : span.stop].min()),
        "length": math.log1p(len(usable)),
    }
    if listed := [token.top for token in usable if token.top]:
        features["entropy"] = _mean_entropy(listed)
    return features


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


def answer_span(tokens: Sequence[TokenLogprob]) -> range | None:
    """Indices of the tokens that hold the answer itself, or None for a long text without a final value.

    The stated value (see `_stated_span`); else, in a short answer, every token with a letter or digit, first to last.
    """
    if (stated := _stated_span(tokens)) is not None or len(tokens) > SHORT_ANSWER_TOKENS:
        return stated
    content = [i for i, token in enumerate(tokens) if any(char.isalnum() for char in token.token)]
    return range(content[0], content[-1] + 1) if content else None


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


class LogprobsSignal:
    """Token features wherever the provider returned log probabilities; asks for no call of its own."""

    name = "logprobs"
    calls: Literal["none", "token", "answer"] = "none"

    def read(self, view: RequestView, answer: Answer) -> Mapping[str, float] | None:
        """`token_features` of the answer's tokens."""
        return token_features(answer.tokens)


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


def _mean_entropy(listed: Sequence[Sequence[tuple[str, float]]]) -> float:
    """Mean over tokens of the entropy of their alternatives, the mass not listed counting as one more (nats)."""
    widest = max(map(len, listed))
    p = np.zeros((len(listed), widest + 1))
    for row, top in enumerate(listed):
        p[row, : len(top)] = [logprob for _, logprob in top]
        p[row, len(top) :] = np.nan
    p = np.nan_to_num(np.exp(np.clip(p, LOWEST_LOGPROB, 0.0)), nan=0.0)
    p[:, -1] = np.maximum(1.0 - p.sum(axis=1), 0.0)
    p /= p.sum(axis=1, keepdims=True)
    return float(-(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(axis=1).mean())
