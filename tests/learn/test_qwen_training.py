"""Fine-tuning the small model, on a tiny Qwen2 made here with random weights. Slow, and skipped without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from custom_router.encoder import StaticEncoder
from custom_router.learn.own_lines import read_own_line
from custom_router.learn.own_rows import OwnRows, own_rows

for module in ("torch", "transformers", "peft"):
    pytest.importorskip(module, reason=f"NOT TESTED: --backend qwen needs {module} (pip install '.[qwen]')")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 of two layers and a tokenizer trained on a few sentences."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("tiny-qwen2")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<pad>", "<eos>"])
    tokenizer.train_from_iterator([prompt(i)[0] for i in range(100)], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="<eos>"
    ).save_pretrained(folder)
    Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=300, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256, pad_token_id=1, eos_token_id=2,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def prompt(number: int) -> tuple[str, bool]:
    """A prompt and whether a cheap tier does it; one word tells."""
    easy = number % 2 == 0
    return f"Please {'translate' if easy else 'prove'} item {number} of the list and answer in one line.", easy


def labelled(count: int) -> OwnRows:
    encoder = StaticEncoder.load()
    lines = []
    for number in range(count):
        text, easy = prompt(number)
        scores = {"simple": float(easy), "frontier": 1.0} | ({"medium": 1.0} if number % 3 else {})
        read = read_own_line(json.dumps({"prompt": text, "scores": scores, "time": number}).encode())
        assert not isinstance(read, str), read
        lines.append(read)
    return own_rows(lines, encoder.encode)


def test_the_tuned_model_learns_and_is_what_vllm_serves(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from custom_router.learn.qwen_training import fine_tune

    steps: list[tuple[int, int]] = []
    found = fine_tune(labelled(600), str(base), tmp_path / "out", lambda step, of, loss: steps.append((step, of)))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert found.log_loss < found.base_rate_loss - 0.05
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.config.architectures == ["Qwen2ForSequenceClassification"]
    assert list(model.config.id2label.values()) == ["simple", "medium", "frontier"]
    assert not list((tmp_path / "out").glob("adapter*"))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    p = [
        np.asarray(model(**tokenizer(prompt(n)[0], return_tensors="pt")).logits.softmax(-1).detach())[0, 0]
        for n in (1_000, 1_001)
    ]
    assert p[0] > p[1]


def test_too_few_rows_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    from custom_router.learn.own_training import TooFew
    from custom_router.learn.qwen_training import fine_tune

    with pytest.raises(TooFew):
        fine_tune(labelled(50), "/nowhere", tmp_path, lambda *_: None)
