"""How well calibration methods do on the recorded cascades: on the same traffic, on other sources, and by row count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.confidence.calibrate import Calibrator, GateArtifact
from custom_router.learn.gate_calibration import apply, fit_calibrator, fit_entry, is_informative
from custom_router.learn.gate_cascades import Cascade
from custom_router.learn.gate_fit import pooled_entry
from custom_router.learn.gate_measures import calibration_error, chance_error
from custom_router.learn.gate_scored import Scored

Floats = npt.NDArray[np.float64]
Predict = Callable[[Floats], Floats]
Method = Callable[[Floats, Floats, Calibrator], Predict]

OPINION, OPINION_ON_ITSELF = "llama3.1-70b", "qwen2.5-72b-instruct"
_FOLDS = 10


@dataclass(frozen=True)
class Task:
    """One model on one source through one signal set: scores, labels (0 or 1) and raw confidences, each (n,)."""

    source: str
    model: str
    signals: str
    score: Floats
    good: Floats
    raw: Floats

    def rows(self) -> list[Scored]:
        """The same as labelled rows."""
        return [
            Scored(self.source, self.model, self.signals, float(s), None, float(g), None)
            for s, g in zip(self.score, self.good, strict=True)
        ]


def tasks(cascades: list[Cascade], opinion: bool) -> list[Task]:
    """Every model on every source, with a second opinion or without."""
    found = []
    for cascade in cascades:
        for model, outcome in cascade.models.items():
            other = (OPINION_ON_ITSELF if model == OPINION else OPINION) if opinion else None
            kind = "own+opinion" if opinion else "own"
            raw = np.exp(np.minimum(outcome.own, 0.0))
            good = (outcome.good > 0.5).astype(np.float64)
            found.append(Task(cascade.name, model, kind, cascade.score(model, other), good, raw))
    return found


def beta(score: Floats, good: Floats, prior: Calibrator) -> Predict:
    """The shipped method: beta calibration with a prior, and the base rate where the signals say nothing."""
    fitted, _ = fit_entry(score, good, prior)
    return lambda x: apply(fitted, x)


def beta_always(score: Floats, good: Floats, prior: Calibrator) -> Predict:
    """Beta calibration, also where the signals say nothing."""
    fitted = fit_calibrator(score, good, prior)
    return lambda x: apply(fitted, x)


def platt(score: Floats, good: Floats, prior: Calibrator) -> Predict:
    """Logistic regression on the score, without a penalty."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(good)) < 2:
        return beta_always(score, good, prior)
    fitted = LogisticRegression(C=1e6).fit(score[:, None], good)
    return lambda x: np.asarray(fitted.predict_proba(x[:, None])[:, 1])


def isotonic(score: Floats, good: Floats, prior: Calibrator) -> Predict:
    """Isotonic regression."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip", y_min=1e-3, y_max=1 - 1e-3).fit(score, good)
    return lambda x: np.asarray(fitted.predict(x))


def blend(score: Floats, good: Floats, prior: Calibrator) -> Predict:
    """The mean of isotonic regression and Platt's."""
    first, second = isotonic(score, good, prior), platt(score, good, prior)
    return lambda x: (first(x) + second(x)) / 2


METHODS: dict[str, Method] = {
    "beta (shipped)": beta,
    "beta, never the base rate": beta_always,
    "Platt": platt,
    "isotonic": isotonic,
    "isotonic + Platt": blend,
}


def same_traffic(task: Task, method: Method, prior: Calibrator, *, seed: int = 0) -> tuple[float, float, float]:
    """(calibration error, what a perfect calibrator would show, Brier score) of ten-fold predictions, pooled."""
    fold = np.random.default_rng(seed).permutation(len(task.score)) % _FOLDS
    p = np.empty(len(task.score))
    for number in range(_FOLDS):
        out = fold == number
        p[out] = method(task.score[~out], task.good[~out], prior)(task.score[out])
    return calibration_error(p, task.good), chance_error(p, draws=50), float(((p - task.good) ** 2).mean())


def elsewhere(found: list[Task], prior: Calibrator) -> Iterator[float]:
    """Calibration error of each task under the pooled, conservative calibrator of the other sources' rows."""
    for source in dict.fromkeys(task.source for task in found):
        others = [row for task in found if task.source != source for row in task.rows()]
        pooled = pooled_entry(found[0].signals, others, prior).calibrator
        for task in found:
            if task.source == source:
                yield calibration_error(apply(pooled, task.score), task.good)


def by_rows(found: list[Task], prior: Calibrator, sizes: tuple[int, ...]) -> dict[int, tuple[float, float]]:
    """Mean (error, chance) on rows not fitted on, by the number of rows fitted on; three draws a task."""
    result = {}
    for size in sizes:
        errors = []
        for task in found:
            for seed in range(3):
                order = np.random.default_rng(seed).permutation(len(task.score))
                seen, left = order[:size], order[size:]
                if len(left) < 60:
                    continue
                p = beta(task.score[seen], task.good[seen], prior)(task.score[left])
                errors.append((calibration_error(p, task.good[left]), chance_error(p, draws=20)))
        result[size] = (float(np.mean([e for e, _ in errors])), float(np.mean([c for _, c in errors])))
    return result


def shipped_error(task: Task, artifact: GateArtifact) -> float:
    """Calibration error of the shipped artifact, which has seen none of this."""
    signals = "answer_logprob+opinion" if "opinion" in task.signals else "answer_logprob"
    return calibration_error(apply(artifact.fallback(signals).calibrator, task.score), task.good)


def uninformative(found: list[Task]) -> list[str]:
    """Tasks whose signals cannot tell good answers from bad, as "source/model"."""
    return [f"{task.source}/{task.model}" for task in found if not is_informative(task.score, task.good)]
