"""However many teams there are, their labels are few, and workers agree on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from custom_router.bounded_labels import BoundedLabel


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


def test_the_first_keep_their_names_and_later_ones_share_one(alone: None) -> None:
    label = BoundedLabel("teams", 3)
    assert [label.of(name) for name in ("a", "b", "c", "d", "a", "e")] == ["a", "b", "c", "other", "a", "other"]
    assert label.of(None) == label.of("") == "none"


def test_a_name_of_any_length_or_form_is_a_label(alone: None) -> None:
    label = BoundedLabel("teams", 3)
    assert len(label.of("x" * 5_000)) == 100
    assert label.of("\ud800") == "?"


def test_workers_agree_on_the_names(shared: Path) -> None:
    one, two = BoundedLabel("teams", 2), BoundedLabel("teams", 2)
    assert [one.of("a"), two.of("b"), one.of("c"), two.of("a"), two.of("c"), one.of("b")] == [
        "a", "b", "other", "a", "other", "b",
    ]  # fmt: skip
    assert BoundedLabel("deployments", 2).of("c") == "c"


def test_names_with_line_ends_stay_one(shared: Path) -> None:
    assert BoundedLabel("teams", 2).of("a\nb") == "a\nb"
    assert BoundedLabel("teams", 2).of("c") == "c"
    assert BoundedLabel("teams", 2).of("d") == "other"


def test_processes_that_claim_at_once_stay_within_the_bound(shared: Path) -> None:
    code = (
        "import sys; from custom_router.bounded_labels import BoundedLabel; label = BoundedLabel('teams', 5)\n"
        "print(*{label.of(f'{sys.argv[1]}-{n}') for n in range(50)})"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(n)], stdout=subprocess.PIPE, text=True) for n in range(3)
    ]
    told = {name for child in children for name in child.communicate(timeout=60)[0].split()}
    assert len(told - {"other"}) == 5
    assert len((shared / f"teams-{os.getpid()}.labels").read_text().splitlines()) == 5


def test_a_folder_that_cannot_be_written_costs_the_agreement_and_no_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    label = BoundedLabel("teams", 1)
    assert [label.of("a"), label.of("b")] == ["a", "other"]
