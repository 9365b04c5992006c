"""How well intents are named: on prompts written for it, on pasted texts, and on sources whose intent is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import yaml

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.classify.features import surface_features
from custom_router.learn.head_training import view_of
from custom_router.learn.outcomes import Encode, Outcomes
from custom_router.learn.pasted_prompts import TASKS, TEXTS

_SOURCES = {
    "llmrouter:mbpp": "code",
    "llmrouter:human_eval": "code",
    "llmrouter:math": "mathematics",
    "llmrouter:gsm8k": "mathematics",
    "llmrouter:trivia_qa": "lookup",
    "llmrouter:natural_qa": "lookup",
    "cascade_triviaqa": "lookup",
    "cascade_gsm8k": "mathematics",
}
_OF_TASK = (
    "extraction", "summarising", "rewriting", "translation", "formatting", "classification", "rewriting",
    "summarising", "rag_answer", "extraction",
)  # fmt: skip
_MOST = 300


@dataclass(frozen=True)
class IntentFigure:
    """`named` is the share of prompts given a name, `right` the share of those given the right one."""

    name: str
    rows: int
    named: float
    right: float


def intent_figures(head: EmbeddingClassifier, encode: Encode, outcomes: Outcomes) -> list[IntentFigure]:
    """Figures of the shipped intent model; none of these prompts is among its examples."""
    held = (resources.files("custom_router") / "learn" / "intent_probes.yaml").read_text("utf-8")
    probes = [(intent, text) for intent, texts in yaml.safe_load(held).items() for text in texts]
    pasted = [(name, f"{task}\n\n{text}") for text in TEXTS for task, name in zip(TASKS, _OF_TASK, strict=True)]
    sets = {"probes": probes, "task before a pasted text": pasted}
    for source, intent in _SOURCES.items():
        rows = [text for text, group in zip(outcomes.text, outcomes.group.tolist(), strict=True) if group == source]
        sets[source] = [(intent, text) for text in rows[:_MOST]]
    return [_figure(name, given, head, encode) for name, given in sets.items() if given]


def _figure(name: str, given: Sequence[tuple[str, str]], head: EmbeddingClassifier, encode: Encode) -> IntentFigure:
    assert head.intents is not None
    said = []
    for intent, text in given:
        view = view_of(text)
        found = head.intents.recognise(view, encode([view.bounded])[0], surface_features(view))
        if found is not None:
            said.append(found == intent)
    return IntentFigure(name, len(given), len(said) / len(given), sum(said) / max(len(said), 1))
