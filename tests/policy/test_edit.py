"""Values set in a policy file: comments and everything else stay."""

from pathlib import Path

import pytest

from custom_router.policy import Policy
from custom_router.policy.edit import CannotEdit, edit_file, edited
from tests.docs.documents import ROOT

SHIPPED = (ROOT / "routing_policy.yaml").read_text("utf-8")
THRESHOLDS = {"tiers.simple.threshold": 0.71, "tiers.medium.threshold": 0.9}


def test_only_the_values_change_and_the_note_says_when() -> None:
    text = edited(SHIPPED, THRESHOLDS, "matrix on 2026-01-02 from own.jsonl")
    document = Policy.parse(text).document
    assert (document.tiers.simple.threshold, document.tiers.medium.threshold) == (0.71, 0.9)
    gone = set(SHIPPED.splitlines()) - set(text.splitlines())
    assert len(gone) == 2
    assert all("threshold" in line for line in gone)
    (note,) = [line for line in text.splitlines() if "matrix on 2026-01-02" in line]
    assert note == "  # Set by tier-router matrix on 2026-01-02 from own.jsonl"


def test_a_later_note_replaces_the_earlier() -> None:
    once = edited(SHIPPED, THRESHOLDS, "matrix, first")
    twice = edited(once, {**THRESHOLDS, "tiers.simple.threshold": 0.5}, "matrix, second")
    assert "matrix, first" not in twice
    assert twice.count("matrix, second") == 1


def test_a_missing_key_is_added_to_block_and_flow_sections() -> None:
    tiers = ("simple: {model: a, threshold: 0.5}", "medium: {model: b, threshold: 0.5}", "frontier: {model: c}")
    block = "tiers:\n" + "".join(f"  {tier}\n" for tier in tiers)
    for section in ("classifier:\n  kind: embedding  # the head\n", "classifier: {kind: embedding}\n"):
        text = edited(block + section, {"classifier.artifact": "head.npz"}, "model promote")
        assert Policy.parse(text).document.classifier.artifact == "head.npz"
        assert "kind: embedding" in text
    with pytest.raises(CannotEdit, match="add the section first"):
        edited(block, {"classifier.artifact": "head.npz"})


def test_null_is_written_and_read_back() -> None:
    text = edited(edited(SHIPPED, {"classifier.artifact": "head.npz"}), {"classifier.artifact": None})
    assert Policy.parse(text).document.classifier.artifact is None
    assert text == SHIPPED


def test_a_section_is_not_a_value() -> None:
    with pytest.raises(CannotEdit, match="more than one value"):
        edited(SHIPPED, {"tiers.simple": 0.5})


def test_the_file_is_swapped_through_its_link_and_keeps_its_mode(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text(SHIPPED, "utf-8")
    real.chmod(0o640)
    (tmp_path / "link.yaml").symlink_to(real)
    edit_file(tmp_path / "link.yaml", THRESHOLDS)
    assert (tmp_path / "link.yaml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert Policy.load(real).document.tiers.simple.threshold == 0.71
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]
