import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from custom_router.domains.model import DomainModel, DomainModelRefused, KernelHead

ENCODER = "test/one"


def small_model() -> DomainModel:
    head = KernelHead(
        landmarks=np.eye(3, 4),
        weights=np.array([[4.0, 0.0], [0.0, 4.0], [-2.0, -2.0]]),
        calibration=np.array([[-1.0, 1.0], [-1.0, 1.0]]),
        gamma=1.0,
    )
    return DomainModel(head, {"format": 1, "names": ["finance", "legal"], "gamma": 1.0, "encoders": [ENCODER]})


def test_a_saved_model_gives_the_same_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "domains.npz"
    small_model().save(path)
    loaded = DomainModel.load(path, encoder_version=ENCODER)
    vector = np.array([0.6, 0.8, 0.0, 0.0], np.float32)
    assert loaded.names == ("finance", "legal")
    assert loaded.probabilities(vector) == pytest.approx(small_model().probabilities(vector), abs=1e-6)
    assert loaded.metadata == small_model().metadata


def test_nearness_to_a_domains_landmark_raises_its_probability() -> None:
    near_finance = small_model().probabilities(np.array([1, 0, 0, 0], np.float32))
    near_none = small_model().probabilities(np.array([0, 0, 1, 0], np.float32))
    assert near_finance["finance"] > 0.9 > 0.5 > near_finance["legal"]
    assert max(near_none.values()) < 0.3


@given(arrays.arrays(np.float32, 4, elements=st.floats(-2, 2, width=32)))
def test_probabilities_are_probabilities(vector: np.ndarray) -> None:
    assert all(0.0 <= p <= 1.0 for p in small_model().probabilities(vector).values())


def test_a_vector_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        small_model().probabilities(np.zeros(3, np.float32))


def test_another_encoder_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "domains.npz"
    small_model().save(path)
    with pytest.raises(DomainModelRefused, match=r"test/one, but test/two.*train_domains"):
        DomainModel.load(path, encoder_version="test/two")


def missing(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def not_an_archive(path: Path) -> None:
    path.write_text("finance: yes")


def other_format(path: Path) -> None:
    with np.load(path) as held:
        parts = dict(held)
    parts["metadata"] = np.array(json.dumps(json.loads(parts["metadata"].item()) | {"format": 99}))
    np.savez(path, **parts)


def wrong_shape(path: Path) -> None:
    with np.load(path) as held:
        parts = dict(held)
    np.savez(path, **(parts | {"weights": parts["weights"][:2]}))


@pytest.mark.parametrize("damage", [missing, truncated, not_an_archive, other_format, wrong_shape])
def test_a_damaged_artifact_is_refused_with_the_mend(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "domains.npz"
    small_model().save(path)
    damage(path)
    with pytest.raises(DomainModelRefused, match="train_domains"):
        DomainModel.load(path, encoder_version=ENCODER)
