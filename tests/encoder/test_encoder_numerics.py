"""The numbers are right: fp32 against an independent NumPy BERT, int8 against fp32, meaning against sense."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from custom_router.encoder import MiniLMEncoder, source

Array = npt.NDArray[Any]

SENTENCES = [
    "hello",
    "Thanks, that fixed it!",
    "What is the capital of Australia?",
    "Who wrote the novel in which a man wakes up as an insect?",
    "How many litres are there in an imperial gallon?",
    "Translate 'the cheque is in the post' into French and into Dutch.",
    "Rewrite this e-mail so that it sounds friendlier but stays short.",
    "Give me five names for a bakery that sells only sourdough.",
    "Write a haiku about an unanswered telephone.",
    "def median(xs): return sorted(xs)[len(xs) // 2]  # why is this wrong for even lengths?",
    "Why does `git rebase -i HEAD~3` say that my branch has diverged?",
    "TypeError: Cannot read properties of undefined (reading 'map') at App.jsx:42:17",
    "SELECT a.id FROM a LEFT JOIN b ON a.id = b.a_id WHERE b.a_id IS NULL;",
    "Explain the difference between a mutex and a semaphore to a junior developer.",
    "Write a Kubernetes manifest for a deployment with two replicas and a readiness probe.",
    "Integrate x^2 * sin(x) dx by parts, step by step.",
    "If 3x + 7 = 22, what is x?",
    "A train leaves at 09:40 and arrives at 13:05; how long is the journey?",
    "Show that every finite integral domain is a field.",
    "What is the probability of at least one six in four throws of a die?",
    "Compute the eigenvalues of [[2, 1], [1, 2]].",
    "Is a 409A valuation needed before granting stock options in a Delaware company?",
    "What is the notice period for terminating a fixed-term lease in Berlin?",
    "Draft a limitation-of-liability clause for a software licence agreement.",
    "Can my employer enforce a non-compete after making me redundant?",
    "Compare a Roth IRA with a traditional IRA for someone who earns $85,000.",
    "Our EBITDA fell from 4.2m to 3.1m while revenue rose 12%; what could explain it?",
    "How is the yield to maturity of a callable bond worked out?",
    "Explain IFRS 16 lease accounting with one small example.",
    "My landlord will not return the deposit. What are my options?",
    "The law of thermodynamics that forbids perpetual motion is which one?",
    "We picnicked on the river bank and lost a shoe.",
    "I have had a dull pain behind my left eye for three days.",
    "Can I take ibuprofen together with lisinopril?",
    "What should I feed a kitten that is four weeks old?",
    "Plan a four-day trip to Lisbon with two small children.",
    "Suggest a vegetarian dinner with lentils, spinach and nothing that needs an oven.",
    "How long should I boil an egg for a soft yolk at 2,000 metres?",
    "Summarise the plot of Macbeth in three sentences.",
    "Compare the causes of the French and the Russian revolutions.",
    "Which treaty ended the Thirty Years' War?",
    "Why is the sky blue but the sunset red?",
    "Describe how mRNA vaccines produce immunity.",
    "What would happen if the Moon vanished tonight?",
    "Is it ethical to eat octopus?",
    "turn on the lights in the living room",
    "turn off the lights in the living room",
    "Set a reminder for 7 pm to call my mother.",
    "Cancel order #48213 and refund me to the original card.",
    "Where is my parcel? Tracking number 1Z999AA10123456784.",
    "Quelle est la différence entre un avocat et un notaire ?",
    "¿Cuánto tiempo tengo para presentar la declaración de la renta?",
    "Erkläre mir bitte den Satz des Pythagoras.",
    "今日の東京の天気はどうですか。",
    "Напиши короткое стихотворение о зиме.",
    "ما هي عاصمة المغرب؟",
    "🎉🎉 omg we WON!!! write me a tweet 🏆",
    "asdf qwer zxcv 12345 !!!",
    "0x7ffd5e8b 0x00000000 SIGSEGV core dumped",
    "Respond only with JSON: {\"sentiment\": \"positive\" | \"negative\", \"score\": number}",
    "You are a terse assistant. Answer in one word. Is water wet?",
    "The quarterly report covers revenue, churn and hiring. " * 20,
    "First read the log below, then name the root cause. " + "ERROR pool exhausted; retrying in 200 ms. " * 30,
]  # fmt: skip


def reference_vector(weights: dict[str, Array], ids: list[int]) -> Array:
    """BERT by the book, in float64: nothing shared with the converter but the weights."""

    def dense(x: Array, name: str) -> Array:
        out: Array = x @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]
        return out

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        out: Array = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return out * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    n = len(ids)
    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][:n]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for i in range(6):
        layer = f"encoder.layer.{i}"
        q, k, v = (
            dense(x, f"{layer}.attention.self.{part}").reshape(n, 12, 32).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(32)
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        context = (odds / odds.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(n, 384)
        x = norm(dense(context, f"{layer}.attention.output.dense") + x, f"{layer}.attention.output.LayerNorm")
        h = dense(x, f"{layer}.intermediate.dense")
        h = 0.5 * h * (1.0 + np.vectorize(math.erf)(h / math.sqrt(2.0)))
        x = norm(dense(h, f"{layer}.output.dense") + x, f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    out: Array = mean / np.linalg.norm(mean)
    return out


def test_fp32_equals_an_independent_forward_pass(fp32: MiniLMEncoder, tmp_path: Path, offline: None) -> None:
    files = source.locate(tmp_path)
    weights = load_file(files.weights)
    tokenizer = Tokenizer.from_file(str(files.tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def tokens(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text).ids
        return ids if len(ids) <= 256 else [*ids[:255], ids[-1]]  # a cut text still ends with [SEP]

    texts = ["", *SENTENCES[:50:12], SENTENCES[-1]]
    expected = np.stack([reference_vector(weights, tokens(text)) for text in texts])
    np.testing.assert_allclose(fp32.encode(texts), expected, atol=1e-4)


def test_int8_agrees_with_fp32(int8: MiniLMEncoder, fp32: MiniLMEncoder, capsys: pytest.CaptureFixture[str]) -> None:
    small, exact = int8.encode(SENTENCES), fp32.encode(SENTENCES)
    cosines = np.sum(small * exact, axis=1)
    shift = np.abs(small @ small.T - exact @ exact.T)
    with capsys.disabled():
        print(
            f"\nint8 against fp32 on {len(SENTENCES)} sentences: cosine mean {cosines.mean():.4f}, "
            f"least {cosines.min():.4f} ({SENTENCES[int(cosines.argmin())]!r:.60}); "
            f"pair similarity moves {shift.mean():.4f} on average, {shift.max():.4f} at most"
        )
    assert int8.version == "minilm-l6-v2/int8-pc"
    assert cosines.mean() >= 0.985
    assert cosines.min() >= 0.95


@pytest.mark.parametrize(
    ("anchor", "paraphrase", "unrelated"),
    [
        ("How do I reset my password?", "I forgot my password, how can I change it?", "How do I bake bread?"),
        ("What is the boiling point of water?", "At what temperature does water boil?", "Who won the election?"),
        ("The contract was breached.", "The agreement was violated.", "The cat sat on the mat."),
        ("Sort a list in Python", "python code to order an array", "recipe for tomato soup"),
        ("Is my dog ill?", "My puppy seems sick", "Quarterly revenue grew by 4 percent"),
    ],
)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_paraphrase_is_closer_than_an_unrelated_text(
    request: pytest.FixtureRequest, precision: str, anchor: str, paraphrase: str, unrelated: str
) -> None:
    encoder: MiniLMEncoder = request.getfixturevalue(precision)
    a, near, far = encoder.encode([anchor, paraphrase, unrelated])
    assert a @ near > a @ far + 0.3
