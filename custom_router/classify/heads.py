"""The head of each policy lately in force: the artifact it names, else the shipped one, with its own intents."""

from __future__ import annotations

from collections.abc import Mapping

from cachetools import LRUCache

from custom_router.classify.embedding import EmbeddingClassifier, HeadRefused
from custom_router.classify.intents import IntentModel
from custom_router.encoder import StaticEncoder
from custom_router.encoder.static import VERSION
from custom_router.policy import Finding, Policy, PolicyError
from custom_router.policy.intents import added_examples


class Heads:
    """Loads heads for a static encoder and keeps the last few. A replaced artifact makes the policy that names it a new
    one, so that requests under way keep the head they began with."""

    def __init__(self, static: StaticEncoder) -> None:
        self._static = static
        self._held: LRUCache[object, EmbeddingClassifier] = LRUCache(4)
        self._intents: LRUCache[object, IntentModel] = LRUCache(4)

    def of(self, policy: Policy) -> EmbeddingClassifier:
        """The head that a policy's requests are scored with. Raises `HeadRefused` when its artifact cannot be used."""
        if (held := self._held.get(policy.key)) is None:
            path = policy.beside(policy.document.classifier.artifact)
            intents = self._intents_of(added_examples(policy.document.intents))
            held = EmbeddingClassifier.load(path, encoder_version=self._static.version, intents=intents)
            self._held[policy.key] = held
        return held

    def _intents_of(self, added: Mapping[str, tuple[str, ...]]) -> IntentModel:
        key = tuple(sorted(added.items()))
        if (held := self._intents.get(key)) is None:
            held = self._intents[key] = IntentModel.fit(self._static.encode, added)
        return held


def accept(policy: Policy) -> None:
    """Check a policy's head before the policy applies; no encoder needs to be loaded. Raises `PolicyError`."""
    path = policy.beside(policy.document.classifier.artifact)
    if path is None:
        return
    try:
        EmbeddingClassifier.load(path, encoder_version=VERSION)
    except HeadRefused as error:
        raise PolicyError([Finding(policy.source, 0, "classifier.artifact", str(error))]) from error
