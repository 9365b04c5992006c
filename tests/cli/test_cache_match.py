"""cache-match: a pair a line, and whether one would be given the other's answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_calls import run, write_policy


def matched(tmp_path: Path, *items: object, code: int = 0, **policy: object) -> list[dict[str, Any]]:
    given = b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in items)
    result = run("cache-match", "--policy", write_policy(tmp_path, **policy), given=given)
    assert result.exit_code == code, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def pair(a: str, b: str, id_: object = 1) -> dict[str, object]:
    return {"id": id_, "a": a, "b": b}


def test_a_match_has_the_fields_of_the_contract_in_order(tmp_path: Path) -> None:
    found = matched(
        tmp_path,
        pair("How do I reset my password?", "How can I reset my password?", "x"),
        pair("How do I reset my password?", "How do I bake bread?", 2),
    )
    assert [list(line) for line in found] == [["id", "hit", "similarity", "p_same", "guard"]] * 2
    assert [(line["id"], line["hit"], line["guard"]) for line in found] == [("x", True, None), (2, False, "similarity")]
    assert 0.98 <= found[0]["p_same"] < 1
    assert found[0]["similarity"] > found[1]["similarity"]


@pytest.mark.parametrize(
    ("a", "b", "guard"),
    [
        ("Is it legal to park on a sidewalk?", "Is it illegal to park on a sidewalk?", "antonym"),
        ("How far is Rome from Milan by car?", "How far is Milan from Rome by car?", "direction"),
        (
            "A train travels 120 miles in 3 hours. What is its average speed?",
            "A train travels 150 miles in 3 hours. What is its average speed?",
            "number",
        ),
        ("Where is my order?", "Where is my order?", "personal"),
        ("What is the weather?", "What is the weather like?", "time_dependent"),
        ("Was ist die Hauptstadt von Peru?", "Was ist die Hauptstadt von Peru ?", "language"),
        ("What is this? " * 50, "What is that? " * 50, "same_text_only"),
    ],
)
def test_a_miss_says_why(tmp_path: Path, a: str, b: str, guard: str) -> None:
    (found,) = matched(tmp_path, pair(a, b))
    assert (found["hit"], found["guard"]) == (False, guard)


def test_the_same_text_is_a_hit_in_any_language(tmp_path: Path) -> None:
    (found,) = matched(tmp_path, pair("日本の首都は?", " 日本の首都は?\n"))
    assert (found["hit"], found["similarity"], found["p_same"]) == (True, 1.0, 1.0)


def test_the_policy_decides(tmp_path: Path) -> None:
    same = pair("How do I reset my password?", "How can I reset my password?")
    (off,) = matched(tmp_path, same, cache={"semantic": False})
    (strict,) = matched(tmp_path, same, cache={"max_error": 0.0})
    assert (off["guard"], strict["guard"]) == ("same_text_only", "similarity")


def test_a_line_that_cannot_be_read_stands_in_its_place(tmp_path: Path) -> None:
    found = matched(
        tmp_path, b"{", b"[" * 100_000, {"id": 3, "a": "x"}, {"a": "x", "b": "y"}, pair("x", "x"), {"id": True}, code=1
    )
    assert ["error" in line for line in found] == [True, True, True, True, False, True]
    assert [line["id"] for line in found] == [None, None, 3, None, 1, True]


def test_files(tmp_path: Path) -> None:
    source, target = tmp_path / "pairs.jsonl", tmp_path / "matches.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + json.dumps(pair("a b", "a b")).encode() + b"\n\n")
    policy = write_policy(tmp_path)
    assert run("cache-match", "--input", source, "--output", target, "--policy", policy).exit_code == 0
    assert [json.loads(line)["hit"] for line in target.read_text().splitlines()] == [True]
    assert run("cache-match", "--input", source, "--output", source, "--policy", policy).exit_code == 2
    assert run("cache-match", "--input", tmp_path / "none", "--policy", policy).exit_code == 2
