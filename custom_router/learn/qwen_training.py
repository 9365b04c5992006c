"""Fine-tunes a small causal model into the sequence classifier that vLLM serves with `/classify`: LoRA, then merged.

Torch, transformers and peft are imported here alone; nothing that serves imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from custom_router.classify.vllm_prompt import classify_body
from custom_router.classify.vllm_reply import CLASSES
from custom_router.learn.own_artifact import HELD_OUT
from custom_router.learn.own_rows import OwnRows
from custom_router.learn.own_training import LEAST_ROWS, TooFew, log_loss

EPOCHS = 2
BATCH = 16
LEARNING_RATE = 2e-4
MAX_TOKENS = 512
_RANK = 16
_WARM_UP = 0.1
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True)
class Tuned:
    """Mean log-loss (nats, known tiers) on the held-out time, and that of the base rates alone, which it must beat."""

    log_loss: float
    base_rate_loss: float


def fine_tune(rows: OwnRows, base: str, out: Path, progress: Callable[[int, int, float], None]) -> Tuned:
    """Fit on all but the latest rows, write model and tokenizer to `out`, and judge on the latest.

    `base` is a folder or a name on the hub. `progress` is told step, steps and loss. On a GPU where there is one.
    Raises `TooFew`, `OSError` for a model that cannot be loaded.
    """
    if len(rows) < LEAST_ROWS:
        raise TooFew(f"{len(rows)} labelled prompts; {LEAST_ROWS} are the least")
    learned, later = rows.split(HELD_OUT)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(base)
    plain = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(CLASSES), id2label=dict(enumerate(CLASSES)), label2id={n: i for i, n in enumerate(CLASSES)}
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    plain.config.pad_token_id = tokenizer.pad_token_id
    adapters = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=_RANK, lora_alpha=2 * _RANK, lora_dropout=0.05, target_modules=list(_TARGETS)
    )
    model = get_peft_model(plain, adapters).to(device)
    _fit(model, tokenizer, learned, device, progress)
    p = _probabilities(model, tokenizer, later, device)
    merged = model.merge_and_unload()
    merged.save_pretrained(out)
    tokenizer.save_pretrained(out)
    rates = np.tile(np.nanmean(learned.labels, axis=0), (len(later), 1))
    return Tuned(float(log_loss(p, later.labels).mean()), float(log_loss(rates, later.labels).mean()))


def _fit(model: Any, tokenizer: Any, rows: OwnRows, device: str, progress: Callable[[int, int, float], None]) -> None:
    steps = EPOCHS * math.ceil(len(rows) / BATCH)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    warm_up = max(1, round(_WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm_up, (steps - step) / max(steps - warm_up, 1))
    )
    model.train()
    rng = np.random.default_rng(0)
    step = 0
    for _ in range(EPOCHS):
        for at in _batches(rng.permutation(len(rows))):
            logits = model(**_encoded(tokenizer, rows, at, device)).logits.float()
            loss = _loss(logits, torch.tensor(rows.labels[at], dtype=torch.float32, device=device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            step += 1
            progress(step, steps, float(loss.detach()))


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of what is known: simple is enough with the first class's probability, medium with that of the
    first two."""
    p = torch.softmax(logits, dim=-1)
    enough = torch.cumsum(p, dim=-1)[:, :2].clamp(1e-6, 1.0 - 1e-6)
    known = ~torch.isnan(labels)
    target = torch.where(known, labels, torch.zeros_like(labels))
    losses = torch.nn.functional.binary_cross_entropy(enough, target, reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def _probabilities(model: Any, tokenizer: Any, rows: OwnRows, device: str) -> np.ndarray:
    model.eval()
    found = []
    with torch.inference_mode():
        for at in _batches(np.arange(len(rows))):
            logits = model(**_encoded(tokenizer, rows, at, device)).logits.float()
            found.append(torch.cumsum(torch.softmax(logits, dim=-1), dim=-1)[:, :2].cpu().numpy())
    return np.concatenate(found).astype(np.float64)


def _encoded(tokenizer: Any, rows: OwnRows, at: np.ndarray, device: str) -> dict[str, torch.Tensor]:
    """The very texts that `/classify` is sent."""
    texts = [classify_body("", rows.prompts.views[i])["input"] for i in at]
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    return {name: tensor.to(device) for name, tensor in encoded.items()}


def _batches(order: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]
