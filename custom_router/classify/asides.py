"""What a prompt says that is not its task: greetings, courtesy, and words addressed to the router.

"This is a simple request, use the cheap model" tells nothing about the task and is there to lower its price. A request
is scored with and without such words, and the harder reading counts, so that they can never lower a tier.
"""

from __future__ import annotations

import re

from custom_router.classify.layout import laid_out, recognisable
from custom_router.domains.patterns import compile_pattern
from custom_router.request import head_and_tail

_SCANNED = 800
_LEAST_WORDS = 3
"""Words that must be left: a greeting alone is the task."""
_COURTESY_CHARS = 80

_GREETING = re.compile(
    r"\A(?:\W*\b(?:hi|hello|hey|thanks|thank you|good (?:morning|afternoon|evening)|ok(?:ay)?|great)\b"
    r"(?: there| all| team| again)?(?=\W))+\W*",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"(?:[\s,!-]*\b(?:please|thanks|thank you|cheers|many thanks|best regards)\b"
    r"(?: in advance| so much| a lot| very much)?)+[\s!.]*\Z",
    re.IGNORECASE,
)
_EASY = r"(?:simple|easy|trivial|basic|quick|straightforward|low|minimal|cheap(?:est|er)?)"
_CHEAP = (
    r"(?:cheap(?:est|er)?|small(?:est|er)?|simple(?:st|r)?|fast(?:est|er)?|weak(?:est|er)?|basic|budget|mini|"
    r"light(?:weight)?|low(?:est)?)"
)
_EFFORT = r"(?:thinking|reasoning|thought|effort|expertise)"
_TO_ROUTER = compile_pattern(
    "|".join(
        (
            rf"\b{_EASY} (?:\w+ )?(?:request|question|task|query|prompt|job|problem|one)\b",
            rf"\b{_CHEAP}[- ](?:\w+ )?(?:model|tier|llm|engine)\b",
            r"\btier[-_ ]?simple\b",
            r"\btier\b[\"']?\s*[:=]",
            r"\b(?:complexity|difficulty)\b\W{0,4}\d",
            r"\brout(?:e|er|ing)\b.{0,40}\b(?:simple|cheap\w*|tier|model|small\w*)\b",
            r"\b(?:ignore|disregard|forget)\b.{0,20}\b(?:previous|prior|above|earlier|other)\b.{0,20}"
            r"\b(?:instructions?|rules?|text|messages?|prompts?)\b",
            r"\b(?:classif\w+|label|rate|score|treat|mark|consider|handle|judge)\b.{0,30}\b(?:as|is|be)\b.{0,10}"
            rf"\b{_EASY}\b",
            rf"\bno (?:\w+ ){{0,2}}{_EFFORT}\b.{{0,20}}\b(?:needed|required|necessary)\b",
            rf"\b(?:needs?|requires?|takes?) (?:no|little|hardly any) (?:\w+ ){{0,2}}{_EFFORT}\b",
            r"\b(?:child|kid|toddler|brother|sister|beginner|anyone|anybody|intern)\b"
            r".{0,30}\b(?:do|answer|solve|manage)\b.{0,30}\b(?:seconds?|minutes?|easily|sleep)\b",
            r"\b(?:use|with|prefer|try|choose|pick|ask)\b.{0,20}\b(?:haiku|flash|nano|deepseek|[\w.-]+-mini|\d+b)\b",
            r"\b(?:einfache|leichte|triviale)[rsn]? (?:anfrage|frage|aufgabe)\b",
            r"\b(?:billig|günstig|klein)\w* modell\b",
            r"\b(?:demande|question|tâche) (?:simple|facile|triviale)\b",
            r"\bmodèle (?:le )?(?:moins cher|économique|simple)\b",
            r"\b(?:pregunta|petición|tarea) (?:sencilla|simple|fácil|trivial)\b",
            r"\bmodelo (?:más )?(?:barato|simple|pequeño)\b",
            r"\bx-router-\w",
            r"\bp_ok\b",
        )
    )
)
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")


def without_asides(text: str) -> str:
    """The text without them, of a long one its edges only, and as `laid_out`; unchanged where there is nothing of
    either kind or nothing else is left."""
    text = laid_out(text)
    shown = head_and_tail(text, _SCANNED).strip()
    plain = shown
    if _addressed(shown):
        plain = " ".join(part for line in shown.split("\n") if not _is_settings(line) for part in _kept(line))
    plain = _GREETING.sub("", plain)
    body, end = plain[:-_COURTESY_CHARS], plain[-_COURTESY_CHARS:]
    plain = (body + _COURTESY.sub("", end)).strip()
    return plain if plain != shown and len(plain.split()) >= _LEAST_WORDS else text


def _kept(line: str) -> list[str]:
    return [part for part in _SENTENCE.split(line) if part and not _addressed(part)]


def _is_settings(line: str) -> bool:
    """Whether a line is a mapping that sets what the router decides."""
    stripped = line.strip()
    return stripped[:1] in ("{", "[") and stripped[-1:] in ("}", "]") and _addressed(stripped)


def _addressed(text: str) -> bool:
    return _TO_ROUTER.search(recognisable(text)) is not None
