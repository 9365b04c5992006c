"""Whether the answer to one question may be given to another: the guards, then the calibrated probability. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from custom_router.cache.acceptance import Acceptance, Calibration
from custom_router.cache.guards import Guard, asks_more, first_guard
from custom_router.cache.lexicon import Lexicon
from custom_router.cache.reading import read


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of two questions. `p_same` is the calibrated probability that one answer serves both, where no
    guard speaks against it; `guard` is why the answer is not given, None where it is."""

    p_same: float
    guard: Guard | None


class Equivalence:
    """Judges pairs of questions by one encoder's calibration."""

    def __init__(self, calibration: Calibration | None, language: str = "en") -> None:
        """Without a calibration for the encoder nothing is ever the same."""
        self._calibration = calibration
        self._language = language

    @classmethod
    def shipped(cls, encoder_version: str) -> Equivalence:
        """By the shipped calibration for this encoder, if there is one."""
        acceptance = Acceptance.shipped()
        return cls(acceptance.encoders.get(encoder_version), acceptance.language)

    @property
    def calibrated(self) -> bool:
        """Whether anything but the same text can ever be recognised."""
        return self._calibration is not None

    def judge(self, stored: str, asked: str, similarity: float, language: str, max_error: float) -> Verdict:
        """Judge two questions in `language` whose vectors have the cosine `similarity`."""
        lexicon = Lexicon.shipped(language)
        if self._calibration is None or lexicon is None or language != self._language:
            return Verdict(0.0, Guard.LANGUAGE)
        p_same = self._calibration.p_same(similarity)
        # The guards cost more than the curve, and most neighbours are far away.
        if p_same < 1.0 - max_error:
            return Verdict(p_same, Guard.SIMILARITY)
        mine, theirs = read(stored, lexicon), read(asked, lexicon)
        if asks_more(mine, theirs):
            return Verdict(p_same, Guard.ASKS_MORE)
        return Verdict(p_same, first_guard(mine, theirs, lexicon))
