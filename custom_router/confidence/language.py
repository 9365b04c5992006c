"""Whether an answer is plainly in another script than its request. Scripts only: within one, nothing is said."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from custom_router.request import RequestView, head_and_tail

_READ = 2_000
"""Characters of each text, head and tail, whose letters are counted."""

_RANGES = (
    (0x41, 0x5A, "latin"), (0x61, 0x7A, "latin"), (0xC0, 0x24F, "latin"), (0x370, 0x3FF, "greek"),
    (0x400, 0x52F, "cyrillic"), (0x590, 0x5FF, "hebrew"), (0x600, 0x6FF, "arabic"), (0x750, 0x77F, "arabic"),
    (0x900, 0xDFF, "indic"), (0xE00, 0xE7F, "thai"), (0x1100, 0x11FF, "hangul"), (0x1E00, 0x1EFF, "latin"),
    (0x3041, 0x30FF, "kana"), (0x3400, 0x9FFF, "han"), (0xAC00, 0xD7AF, "hangul"),
)  # fmt: skip
"""First and last code point and script, ascending (the Unicode blocks of each)."""
_EDGES = np.array([edge for first, last, _ in _RANGES for edge in (first, last + 1)], dtype=np.uint32)
_DENSE = frozenset({"han", "kana", "hangul"})
"""Scripts of which one character says as much as several letters."""
_OTHER_SHARE = 0.2
"""Below this share of characters beyond ASCII a text cannot be plainly in another script than Latin."""

# What is not written in anybody's language: code, formulas, addresses.
_NOT_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\$[^$\n]+\$|https?://\S+|<[^<>\n]{1,200}>", re.DOTALL)
# English words that no programming language uses as keywords: their share tells prose from code, names and lists.
_ENGLISH = re.compile(
    r"\b(?:the|of|to|a|an|that|this|these|you|it|are|was|were|can|what|how|why|who|which|please|your|my|me|i|tell|give"
    r"|does)\b",
    re.IGNORECASE,
)
# Any talk of a language, in the languages that ask about others most: the answer's language is then theirs to say.
_TALK_OF_LANGUAGE = re.compile(
    r"translat|languag|lingual|transliterat|\b(?:in|into|to|using|speak|write) [a-z]*(?:ese|ish|ian)\b"
    r"|english|chinese|mandarin|cantonese|japanese|korean|russian|arabic|hebrew|hindi|greek|thai|ukrainian|persian|farsi"
    r"|urdu|bengali|tamil|kanji|hiragana|katakana|hangul|cyrillic|pinyin|romaji"
    r"|翻译|翻譯|翻訳|译|譯|訳|语|語|英文|中文|日文|韩文|汉字|漢字|用英|перев|язык|английск|русск|по-"
    r"|번역|영어|영문|한국어|언어|ترجم|لغة|انجليز|إنجليز|بالعرب|תרגם|תרגמ|אנגלית|עברית|अनुवाद|अंग्रेज|भाषा|हिंदी|हिन्दी"
    r"|แปล|ภาษา|αγγλικ|ελληνικ|μετάφρ|μετέφρ",
    re.IGNORECASE,
)


def other_script(view: RequestView, text: str) -> bool:
    """Whether a request plainly in one script was answered plainly in another that nothing in it asked for.

    Silent on requests that name a language, mix scripts (the conversation before included) or are short, and on
    answers whose letters are mostly code, names or formulas.
    """
    conversation = "\n".join([*(turn.text for turn in view.history[-4:]), view.text])
    if not (_beyond_ascii(conversation) or _beyond_ascii(text)):
        return False
    asked = _script(conversation, least=24)
    if asked is None:
        return False
    answered = _script(text, least=60)
    if answered is None or answered == asked or {asked, answered} == {"han", "hangul"}:
        return False
    if asked == "latin" and not _english(view.text):  # romanised, and answered in the language's own script
        return False
    if answered == "latin" and (not _english(text) or _instructs_in_latin(view.text)):
        return False
    return not _TALK_OF_LANGUAGE.search(head_and_tail(f"{view.system}\n{view.text}", 8_000))


def _script(text: str, *, least: int) -> str | None:
    """The script of nine letters in ten, or None. `least` counts letters, a dense script's character as three.

    Japanese mixes kana with Han: a tenth of kana makes a text Japanese, and only a text without any is Chinese.
    """
    read = _NOT_PROSE.sub(" ", head_and_tail(text, _READ)).encode("utf-32-le", "replace")
    blocks = np.bincount(np.searchsorted(_EDGES, np.frombuffer(read, dtype=np.uint32), side="right"))
    counts: Counter[str] = Counter()
    for (_, _, script), letters in zip(_RANGES, blocks[1::2].tolist(), strict=False):
        counts[script] += letters * (3 if script in _DENSE else 1)
    if not counts.total():
        return None
    if counts["kana"]:
        if counts["kana"] * 9 < counts["han"]:
            return None
        counts["kana"] += counts.pop("han", 0)
    script, letters = counts.most_common(1)[0]
    return script if letters >= least and letters >= 0.9 * counts.total() else None


def _english(text: str) -> bool:
    read = _NOT_PROSE.sub(" ", head_and_tail(text, _READ))
    return len(_ENGLISH.findall(read)) >= max(2, 0.12 * len(read.split()))


def _instructs_in_latin(prompt: str) -> bool:
    """Whether a prompt in another script begins or ends in Latin letters or holds English: its request may be that."""
    letters = [char for char in prompt[:200] + prompt[-200:] if char.isalpha()]
    edges = any(char.isascii() for char in (*letters[:1], *letters[-1:]))
    return edges or _ENGLISH.search(head_and_tail(prompt, _READ)) is not None


def _beyond_ascii(text: str) -> bool:
    read = head_and_tail(text, _READ)
    return len(read) - len(read.encode("ascii", "ignore")) > _OTHER_SHARE * len(read)
