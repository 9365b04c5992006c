"""Fits `WindowNetwork` by Adam in NumPy: squared error of the domain model's logits, clipped to where they matter."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custom_router.domains.screen import WINDOW, WindowNetwork

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Tokens = Sequence[npt.NDArray[np.int32]]

UNITS, HIDDEN = 64, 48
BATCH = 256
RATE = 2e-3
DECAY = 1e-2
DROPPED = 0.1
"""Share of a text's tokens hidden at each step."""
LOWEST, HIGHEST = -6.0, 1.5
"""Logits beyond these are all the same to a threshold."""
_WARM_UP = 100
_SORTED = 16 * BATCH


class Fit:
    """The parameters under training, and Adam's moments. `table` (vocabulary, d) is scaled to a spread of 1/2."""

    def __init__(self, table: npt.NDArray[np.float16], domains: int, start: Floats, seed: int) -> None:
        rng = np.random.default_rng(seed)
        used = table.astype(np.float32)
        self.scale = np.float32(0.5 / used.std())
        self.table = np.vstack([used * self.scale, np.zeros((1, used.shape[1]), np.float32)])
        self.blank = len(used)
        d = used.shape[1]
        drawn = [
            rng.normal(0, d**-0.5, (d, WINDOW * UNITS)), np.zeros(UNITS),
            rng.normal(0, UNITS**-0.5, (2 * UNITS, HIDDEN)), np.zeros(HIDDEN),
            rng.normal(0, 0.1, (HIDDEN, domains)), start,
        ]  # fmt: skip
        self.parameters = [np.asarray(value, np.float32) for value in drawn]
        self._first = [np.zeros_like(value) for value in self.parameters]
        self._second = [np.zeros_like(value) for value in self.parameters]
        self._steps = 0

    def gradients(self, ids: npt.NDArray[np.int32], target: Floats, weight: Floats) -> tuple[list[Floats], float]:
        """Gradients of the weighted squared error for padded token ids (b, n), and that error."""
        window, bias, pooled_w, pooled_b, out_w, out_b = self.parameters
        embedded = self.table[ids.ravel()]
        parts = (embedded @ window).reshape(*ids.shape, WINDOW, UNITS)
        inner = ids[:, 1:-1] != self.blank
        raw = parts[:, :-2, 0] + parts[:, 1:-1, 1] + parts[:, 2:, 2] + bias
        seen = np.maximum(raw, 0) * inner[..., None]
        top = seen.argmax(axis=1)[:, None]
        count = np.maximum(inner.sum(axis=1, keepdims=True), 1).astype(np.float32)
        pooled = np.hstack([np.take_along_axis(seen, top, 1)[:, 0], seen.sum(axis=1) / count])
        before = pooled @ pooled_w + pooled_b
        hidden = np.maximum(before, 0)
        error = hidden @ out_w + out_b - target
        share = (weight / weight.sum())[:, None]
        loss = float((share * error**2).sum())
        g_out = 2 * share * error
        g_hidden = (g_out @ out_w.T) * (before > 0)
        g_pooled = g_hidden @ pooled_w.T
        g_seen = np.repeat((g_pooled[:, UNITS:] / count)[:, None], seen.shape[1], axis=1)
        highest = np.take_along_axis(g_seen, top, 1) + g_pooled[:, None, :UNITS]
        np.put_along_axis(g_seen, top, highest, 1)
        g_raw = g_seen * ((raw > 0) & inner[..., None])
        g_parts = np.zeros_like(parts)
        g_parts[:, :-2, 0], g_parts[:, 1:-1, 1], g_parts[:, 2:, 2] = g_raw, g_raw, g_raw
        g_window = embedded.T @ g_parts.reshape(-1, WINDOW * UNITS)
        found = [g_window, g_raw.sum((0, 1)), pooled.T @ g_hidden, g_hidden.sum(0), hidden.T @ g_out, g_out.sum(0)]
        return found, loss

    def step(self, gradients: Sequence[Floats], rate: float) -> None:
        """One step of AdamW."""
        self._steps += 1
        for i, gradient in enumerate(gradients):
            self._first[i] = 0.9 * self._first[i] + 0.1 * gradient
            self._second[i] = 0.999 * self._second[i] + 0.001 * gradient**2
            mean = self._first[i] / (1 - 0.9**self._steps)
            spread = np.sqrt(self._second[i] / (1 - 0.999**self._steps)) + 1e-8
            decay = DECAY * self.parameters[i] if i in (0, 2) else 0.0
            self.parameters[i] = (self.parameters[i] - rate * (mean / spread + decay)).astype(np.float32)

    def network(self) -> WindowNetwork:
        """The network for the unscaled table, rounded to what the artifact keeps."""
        window, *others = self.parameters
        kept = [value.astype(np.float16).astype(np.float32) for value in (window * self.scale, *others)]
        return WindowNetwork(*kept)


def fit_network(
    table: npt.NDArray[np.float16], tokens: Tokens, logits: Floats, weight: Floats, *, epochs: int, seed: int = 0
) -> WindowNetwork:
    """Fit on texts given as token ids; `logits` (n, k) are what it is to predict, `weight` (n,) their worth."""
    target = np.clip(logits, LOWEST, HIGHEST)
    fit = Fit(table, logits.shape[1], np.average(target, axis=0, weights=weight), seed)
    rng = np.random.default_rng(seed)
    lengths = np.array([len(ids) for ids in tokens])
    total = epochs * -(-len(tokens) // BATCH)
    for epoch in range(epochs):
        losses: list[float] = []
        for rows in _batches(lengths, rng):
            shown = [_thinned(tokens[i], rng) for i in rows]
            gradients, loss = fit.gradients(_padded(shown, fit.blank), target[rows], weight[rows])
            done = epoch * total // epochs + len(losses)
            fit.step(gradients, RATE * min(1.0, (done + 1) / _WARM_UP) * (1.02 - done / total))
            losses.append(loss)
        logger.info("epoch %d of %d: squared error %.3f", epoch + 1, epochs, np.mean(losses))
    return fit.network()


def _thinned(ids: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    return ids[rng.random(len(ids)) >= DROPPED] if len(ids) > WINDOW else ids


def _padded(tokens: Tokens, blank: int) -> npt.NDArray[np.int32]:
    padded = np.full((len(tokens), max(1, *(len(ids) for ids in tokens)) + 2), blank, np.int32)
    for row, ids in zip(padded, tokens, strict=True):
        row[1 : len(ids) + 1] = ids
    return padded


def _batches(lengths: npt.NDArray[np.intp], rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Row numbers in batches of like length, in random order."""
    order = rng.permutation(len(lengths))
    blocks = [order[i : i + _SORTED] for i in range(0, len(order), _SORTED)]
    found = []
    for block in blocks:
        by_length = block[np.argsort(lengths[block], kind="stable")]
        found += [by_length[i : i + BATCH] for i in range(0, len(by_length), BATCH)]
    return [found[i] for i in rng.permutation(len(found))]
