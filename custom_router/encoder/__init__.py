"""Sentence encoders behind one narrow seam."""

from custom_router.encoder.base import Encoder, EncoderUnavailable, Vectors
from custom_router.encoder.fake import FakeEncoder
from custom_router.encoder.minilm import MiniLMEncoder
from custom_router.encoder.static import StaticEncoder

__all__ = ["Encoder", "EncoderUnavailable", "FakeEncoder", "MiniLMEncoder", "StaticEncoder", "Vectors"]
