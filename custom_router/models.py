"""What reads a request's text, loaded together because all are fitted on one pair of encoder versions."""

from __future__ import annotations

from dataclasses import dataclass

from custom_router.classify.heads import Heads
from custom_router.domains.model import DomainModel
from custom_router.domains.screen import DomainScreen
from custom_router.encoder import Encoder, StaticEncoder


@dataclass(frozen=True, slots=True)
class Models:
    """`static`, a head of `heads` and `screen` run in the event loop on every request; `domains` reads the sentence
    encoder's vector, which only the requests that `screen` lets through pay for."""

    static: StaticEncoder
    heads: Heads
    screen: DomainScreen
    domains: DomainModel

    @classmethod
    def load(cls, encoder: Encoder) -> Models:
        """Load all of them for a sentence encoder. Raises what refuses an artifact, `EncoderUnavailable` too."""
        static = StaticEncoder.load()
        return cls(
            static=static,
            heads=Heads(static),
            screen=DomainScreen.load(static_version=static.version, encoder_version=encoder.version),
            domains=DomainModel.load(encoder_version=encoder.version),
        )
