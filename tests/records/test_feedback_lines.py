"""What callers said, read back from the segments beside the records."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from custom_router.records.feedback_lines import read_feedback


def line(request_id: str, score: object, time: str = "2026-11-01T00:00:00.000+00:00") -> str:
    return json.dumps({"request_id": request_id, "score": score, "time": time}) + "\n"


def segment(records: Path, name: str, *lines: str) -> None:
    folder = records / "feedback"
    folder.mkdir(exist_ok=True)
    content = "".join(lines).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def test_the_latest_word_counts_whichever_segment_holds_it(tmp_path: Path) -> None:
    late, early = "2026-11-02T00:00:00.000+00:00", "2026-11-01T00:00:00.000+00:00"
    segment(tmp_path, "feedback-a.jsonl", line("one", 1.0, late), line("two", -1.0, early), line("two", 0.5, late))
    segment(tmp_path, "feedback-b.jsonl.gz", line("one", -1.0, early), line("three", 0.0))
    assert read_feedback(tmp_path) == {"one": 1.0, "two": 0.75, "three": 0.5}


def test_of_two_words_in_the_same_millisecond_the_later_line_counts(tmp_path: Path) -> None:
    segment(tmp_path, "feedback-a.jsonl", line("one", 1.0), line("one", -1.0))
    assert read_feedback(tmp_path) == {"one": 0.0}


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    odd = [line("high", 2), line("text", "1"), line("nan", float("nan")), "[]\n", '{"request_id": "torn", "sc']
    segment(tmp_path, "feedback-a.jsonl", line("one", 1), *odd)
    assert read_feedback(tmp_path) == {"one": 1.0}


def test_a_file_of_records_has_the_feedback_beside_it_and_none_is_no_error(tmp_path: Path) -> None:
    assert read_feedback(tmp_path) == {}
    segment(tmp_path, "feedback-a.jsonl", line("one", 1.0))
    assert read_feedback(tmp_path / "decisions-a.jsonl") == {"one": 1.0}
