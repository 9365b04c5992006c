"""route: a decision a line, in order, whatever the lines are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from custom_router.policy import Policy
from tests.cli.cli_calls import run, write_policy

KEYS = ["id", "tier", "complexity", "p_ok", "ood", "intent", "domain", "causes", "source", "policy_version"]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path)


def _lines(*items: object) -> bytes:
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in items)


def _read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_decision_has_the_fields_of_the_contract(policy: Path) -> None:
    result = run("route", "--policy", policy, given=_lines({"id": "a", "prompt": "Which mortgage is cheapest?"}))
    assert result.exit_code == 0
    (decision,) = _read(result.stdout)
    assert list(decision) == KEYS
    assert decision["id"] == "a"
    assert decision["tier"] == "frontier"
    assert decision["domain"] == {"name": "finance", "score": 1.0, "rule": "term:mortgage"}
    assert decision["causes"] == ["score", "domain_rule"]
    assert decision["policy_version"] == Policy.load(policy).version


def test_scores_are_there_where_the_classifier_was_asked(policy: Path) -> None:
    (decision,) = _read(run("route", "--policy", policy, given=_lines({"id": 1, "prompt": "hi"})).stdout)
    assert set(decision["p_ok"]) == {"simple", "medium", "frontier"}
    assert decision["complexity"] == pytest.approx(10 * (1 - decision["p_ok"]["simple"]), abs=1e-3)
    assert decision["domain"] is None
    assert decision["source"].startswith("random/")


def test_many_lines_come_out_in_order_and_as_they_would_alone(policy: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    items = [{"id": i, "prompt": f"question {i % 300}"} for i in range(700)]
    source.write_bytes(_lines(*items))
    result = run("route", "--input", source, "--output", target, "--policy", policy)
    assert result.exit_code == 0
    assert result.stdout == ""
    found = _read(target.read_text())
    assert [d["id"] for d in found] == list(range(700))
    assert {d["tier"] for d in found} == {"simple", "medium", "frontier"}
    for i in range(300):
        assert {**found[i], "id": 0} == {**found[i + 300], "id": 0}


def test_bad_lines_keep_their_place_and_the_rest_goes_on(policy: Path) -> None:
    given = b"\xef\xbb\xbf" + _lines({"id": 1, "prompt": "a"}, b"nonsense", b"", {"id": 3}, {"id": 4, "prompt": "b"})
    result = run("route", "--policy", policy, given=given)
    assert result.exit_code == 1
    found = _read(result.stdout)
    assert [d["id"] for d in found] == [1, None, 3, 4]
    assert ["error" in d for d in found] == [False, True, True, False]
    assert "2 of 4 lines" in result.stderr
    assert "-:2: is not JSON" in result.stderr


def test_strict_stops_at_the_first_bad_line(policy: Path) -> None:
    given = _lines({"id": 1, "prompt": "a"}, {"id": 2}, {"id": 3, "prompt": "b"})
    result = run("route", "--strict", "--policy", policy, given=given)
    assert result.exit_code == 1
    assert [d["id"] for d in _read(result.stdout)] == [1, 2]


def test_hostile_prompts_are_decided(policy: Path) -> None:
    prompts = ["", " ", "\ud800 lone", "\x00", "x" * 3_000_000, "мир " * 9, "\u202e\u200b"]
    given = _lines(*({"id": i, "prompt": prompt} for i, prompt in enumerate(prompts)))
    result = run("route", "--policy", policy, given=given)
    assert result.exit_code == 0
    found = _read(result.stdout)
    assert len(found) == len(prompts)
    assert found[4]["causes"][-1] == "signal_long_context"


def test_messages_that_no_api_takes_go_to_the_frontier(policy: Path) -> None:
    (decision,) = _read(run("route", "--policy", policy, given=_lines({"id": 1, "messages": [1]})).stdout)
    assert decision["tier"] == "frontier"
    assert "malformed_request" in decision["causes"]


def test_shadow_tells_the_decision_and_not_what_is_served(tmp_path: Path) -> None:
    lines = _lines(*({"id": i, "prompt": f"question {i}"} for i in range(50)))
    enforced, shadow = (
        [d["tier"] for d in _read(run("route", "--policy", write_policy(tmp_path, mode=mode), given=lines).stdout)]
        for mode in ("enforce", "shadow")
    )
    assert shadow == enforced
    assert set(shadow) != {"frontier"}


def test_nothing_in_nothing_out(policy: Path) -> None:
    result = run("route", "--policy", policy, given=b"\n\n")
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_input_is_never_overwritten(policy: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(_lines({"id": 1, "prompt": "a"}))
    assert run("route", "--input", source, "--output", source, "--policy", policy).exit_code == 2
    assert source.read_bytes() == _lines({"id": 1, "prompt": "a"})


def test_a_missing_input_leaves_the_output_alone(policy: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("kept")
    result = run("route", "--input", tmp_path / "none", "--output", tmp_path / "out", "--policy", policy)
    assert result.exit_code == 2
    assert "No such file" in result.stderr
    assert (tmp_path / "out").read_text() == "kept"


def test_a_policy_that_cannot_be_used_says_where(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, mode="sometimes")
    result = run("route", "--policy", policy, given=b"")
    assert result.exit_code == 1
    assert f"{policy}:" in result.stderr
    assert "mode: Input should be" in result.stderr


def test_a_full_disk_is_said_in_one_line(policy: Path) -> None:
    result = run("route", "--output", "/dev/full", "--policy", policy, given=_lines({"id": 1, "prompt": "a"}))
    assert result.exit_code == 1
    assert result.stderr == "error: stopped, decisions so far are in /dev/full: No space left on device\n"


def test_a_reader_that_leaves_ends_it_quietly(policy: Path) -> None:
    command = [sys.executable, "-m", "custom_router.cli", "route", "--policy", str(policy)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(_lines(*({"id": i, "prompt": "a"} for i in range(600))))
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
