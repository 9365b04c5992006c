"""The `structured` signal's form: the cheap tier answers in `{answer, confidence}` and the client sees the answer only.

The answer comes first, so that it can be streamed while the confidence is still to come, and so that the model rates
what it wrote. Both ways of reading are one parser; what it releases in pieces is what it returns whole.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any

import orjson

from custom_router.request import CallType, RequestView

_LEAST_OUTPUT_TOKENS = 256
"""A client's cap below this leaves the wrapper too little room: the object would be cut before it closes."""
_FIELD_LIMIT = 200
"""Characters of a key or of a value other than the answer; neither has a reason to be longer."""


class StructuredInvalid(ValueError):
    """The text is not the one object that was asked for. What was released before stays true, but nothing follows."""


def structured_response_format() -> dict[str, Any]:
    """The `response_format` of a chat completion that yields `{answer, confidence}`, strict (OpenAI's JSON schema)."""
    return {
        "type": "json_schema",
        "json_schema": {
            "name": "answer_with_confidence",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {
                    "answer": {"type": "string", "description": "The whole answer, as it would be given without this."},
                    "confidence": {
                        "type": "number",
                        "description": "Probability from 0 to 1 that the answer is right and complete.",
                    },
                },
                "required": ["answer", "confidence"],
                "additionalProperties": False,
            },
        },
    }


def may_structure(view: RequestView) -> bool:
    """Whether the wrapper can go unnoticed: a chat request for one plain text answer, with room to spare.

    Not where the client asked for a form of its own or offered tools, and not with images or files, for which no
    data says what a written confidence is worth.
    """
    return (
        view.call_type is CallType.CHAT
        and view.malformed is None
        and view.n == 1
        and not (view.json_mode or view.tools or view.images or view.attachments)
        and (view.max_output_tokens is None or view.max_output_tokens >= _LEAST_OUTPUT_TOKENS)
    )


def unwrap(text: str) -> tuple[str, float | None]:
    """The answer and the probability (0..1, not its logarithm) written beside it; None where that is out of range.

    Raises `StructuredInvalid` for anything but one object with an answer: a code fence, prose around it, a cut end.
    """
    reader = IncrementalUnwrapper()
    answer = reader.feed(text)
    return answer, reader.finish()


class _State(Enum):
    START = auto()
    KEY = auto()
    COLON = auto()
    VALUE = auto()
    ANSWER = auto()
    AFTER_VALUE = auto()
    END = auto()


_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\]+')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_SCALAR = re.compile(r"[^,}\s\"{\[]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class IncrementalUnwrapper:
    """Decodes "answer" while the object streams in, whatever the chunk boundaries and the order of the keys."""

    def __init__(self) -> None:
        self._state = _State.START
        self._rest = ""  # received, not yet understood: an unfinished escape, key or value
        self._high = ""  # a high surrogate waiting for its other half
        self._key = ""
        self._seen: set[str] = set()
        self._confidence: float | None = None
        self._comma = False

    def feed(self, chunk: str) -> str:
        """The part of the answer that this chunk completes, decoded; empty while it is about other things.

        Raises `StructuredInvalid` at the first character that cannot belong to the object.
        """
        self._rest += chunk
        released: list[str] = []
        while self._step(released):
            pass
        return self._joined("".join(released))

    def finish(self) -> float | None:
        """The confidence written, or None where it is absent or out of range. Raises when the object is incomplete."""
        if self._state is not _State.END:
            raise StructuredInvalid(f"the object ends in {self._state.name.lower()}")
        return self._confidence

    def _step(self, released: list[str]) -> bool:
        """Take one thing off the rest; False when it needs more text."""
        if self._state is _State.ANSWER:
            return self._answer(released)
        start = _SPACE.match(self._rest)
        rest = self._rest = self._rest[start.end() if start else 0 :]
        if not rest:
            return False
        match self._state:
            case _State.START:
                return self._expect({"{": _State.KEY})
            case _State.KEY:
                if rest[0] == "}" and not self._comma:
                    return self._close()
                return self._read_key()
            case _State.COLON:
                return self._expect({":": _State.VALUE})
            case _State.VALUE:
                if self._key == "answer":
                    return self._expect({'"': _State.ANSWER})
                return self._read_value()
            case _State.AFTER_VALUE:
                if rest[0] == "}":
                    return self._close()
                self._comma = True
                return self._expect({",": _State.KEY})
        raise StructuredInvalid("text after the object")

    def _expect(self, following: dict[str, _State]) -> bool:
        state = following.get(self._rest[0])
        if state is None:
            raise StructuredInvalid(f"{self._rest[0]!r} in {self._state.name.lower()}")
        self._rest = self._rest[1:]
        self._state = state
        return True

    def _close(self) -> bool:
        if "answer" not in self._seen:
            raise StructuredInvalid("no answer in the object")
        self._rest = self._rest[1:]
        self._state = _State.END
        return True

    def _read_key(self) -> bool:
        if self._rest[0] != '"':
            raise StructuredInvalid(f"{self._rest[0]!r} where a key belongs")
        found = _STRING.match(self._rest)
        if found is None:
            return self._wait()
        key = self._loaded(found.group())
        if key in self._seen:
            raise StructuredInvalid("a key twice")
        self._key = str(key)
        self._seen.add(self._key)
        self._rest = self._rest[found.end() :]
        self._state = _State.COLON
        return True

    def _read_value(self) -> bool:
        if self._rest[0] == '"':
            found = _STRING.match(self._rest)
            if found is None:
                return self._wait()
        else:
            found = _SCALAR.match(self._rest)
            if found is None:
                raise StructuredInvalid("a nested value")
            if found.end() == len(self._rest):  # 0.9 may go on as 0.95
                return self._wait()
        value = self._loaded(found.group())
        if self._key == "confidence":
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise StructuredInvalid("confidence is no number")
            self._confidence = float(value) if value is not None and 0 <= value <= 1 else None
        self._rest = self._rest[found.end() :]
        self._state = _State.AFTER_VALUE
        return True

    def _wait(self) -> bool:
        if len(self._rest) > _FIELD_LIMIT:
            raise StructuredInvalid(f"a field of more than {_FIELD_LIMIT} characters")
        return False

    @staticmethod
    def _loaded(text: str) -> Any:
        try:
            return orjson.loads(text)
        except ValueError as error:  # JSONDecodeError, and text that is no UTF-8
            raise StructuredInvalid(str(error)) from error

    def _answer(self, released: list[str]) -> bool:
        """Decode as far as the string goes. Raw line breaks, which strict JSON forbids, can mean only one thing."""
        text, at = self._rest, 0
        while at < len(text):
            if plain := _PLAIN.match(text, at):
                released.append(plain.group())
                at = plain.end()
                continue
            if text[at] == '"':
                self._rest = text[at + 1 :]
                self._state = _State.AFTER_VALUE
                return True
            needed = 6 if text[at + 1 : at + 2] == "u" else 2
            if len(text) < at + needed:
                break
            if needed == 6:
                digits = text[at + 2 : at + 6]
                if not _HEX.fullmatch(digits):
                    raise StructuredInvalid("a broken \\u escape")
                released.append(chr(int(digits, 16)))
            elif (plain_char := _ESCAPES.get(text[at + 1])) is not None:
                released.append(plain_char)
            else:
                raise StructuredInvalid(f"no such escape: \\{text[at + 1]}")
            at += needed
        self._rest = text[at:]
        return False

    def _joined(self, text: str) -> str:
        """Surrogate halves made whole across chunks; a half without its other becomes U+FFFD, as UTF-8 has no room."""
        text = self._high + text
        self._high = ""
        if self._state is _State.ANSWER and text and "\ud800" <= text[-1] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        if any("\ud800" <= char <= "\udfff" for char in text):
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text
