"""Answers as lines: every form of confidence, and a plain reason for every line that is none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from custom_router.learn.gate_lines import AnswerLine, BadAnswerLine, read_answer_line
from custom_router.learn.gate_rows import Unread, read_labelled, score_row, with_opinions

LINE: dict[str, Any] = {"id": 1, "prompt": "2+2?", "answer": "4", "model": "m"}


def read(**changes: Any) -> AnswerLine:
    line = read_answer_line(json.dumps({**LINE, **changes}).encode())
    assert isinstance(line, AnswerLine), line
    return line


@pytest.mark.parametrize(
    ("conf", "expected"), [(-0.25, -0.25), (0, 0.0), (0.0, 0.0), (0.5, math.log(0.5)), (1, 0.0), (-50.0, -50.0)]
)
def test_a_confidence_is_a_log_probability_or_a_probability(conf: float, expected: float) -> None:
    assert read(conf=conf).answer.confidence == expected
    assert read(opinions=[{"model": "o", "answer": "4", "conf": conf}]).answer.opinions[0].confidence == expected


def test_kinds_and_segments() -> None:
    assert read(conf=-1.0).answer.confidence_kind == "conf"
    assert read(conf=-1.0, conf_type="answer_logprob").answer.confidence_kind == "answer_logprob"
    assert read(conf_type="answer_logprob").answer.confidence_kind is None
    assert (read(source="s").segment, read(source="s", segment="t").segment, read().segment) == ("s", "t", None)


def test_log_probabilities_in_every_form_of_the_api() -> None:
    token = {"token": "4", "logprob": -0.5, "bytes": [52], "top_logprobs": [{"token": "4", "logprob": -0.5}]}
    chat = read(logprobs={"content": [token], "refusal": None}).answer.tokens
    assert chat == read(logprobs=[token]).answer.tokens
    assert (chat[0].token, chat[0].logprob, chat[0].top) == ("4", -0.5, (("4", -0.5),))
    legacy = read(logprobs={"tokens": ["4"], "token_logprobs": [-0.5], "text_offset": [0]}).answer.tokens
    assert (legacy[0].token, legacy[0].logprob) == ("4", -0.5)


@pytest.mark.parametrize(
    ("raw", "id_", "said"),
    [
        (b"nonsense", None, "is not JSON"),
        (b"[" * 100_000, None, "nested too deeply"),
        (b"[]", None, "dictionary"),
        (b"{}", None, "id"),
        (json.dumps({**LINE, "id": True}).encode(), None, "id"),
        (json.dumps({**LINE, "id": math.inf}).encode(), None, "finite"),
        (json.dumps({"id": 7, "prompt": "x", "model": "m"}).encode(), 7, "answer: Field required"),
        (json.dumps({**LINE, "answer": 4}).encode(), 1, "answer"),
        (json.dumps({**LINE, "conf": 1.5}).encode(), 1, "conf"),
        (json.dumps({**LINE, "conf": math.nan}).encode(), 1, "conf"),
        (json.dumps({**LINE, "conf": "-1"}).encode(), 1, "conf"),
        (json.dumps({**LINE, "opinions": [{"model": "o"}]}).encode(), 1, "opinions.0.answer"),
        (json.dumps({**LINE, "logprobs": [-0.1]}).encode(), 1, "logprobs"),
        (b"\xff", None, "is not JSON"),
    ],
)
def test_what_is_no_answer_says_why(raw: bytes, id_: object, said: str) -> None:
    bad = read_answer_line(raw)
    assert isinstance(bad, BadAnswerLine)
    assert bad.id == id_
    assert said in bad.error


def test_labelled_files_name_what_they_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps({**LINE, 'score': 1})}\n\n{json.dumps(LINE)}\nnonsense\n")
    rows = list(read_labelled([path]))
    assert isinstance(rows[0], AnswerLine)
    assert rows[0].good == 1.0
    assert [row.where for row in rows if isinstance(row, Unread)] == [f"{path}:3", f"{path}:4"]


def test_other_models_answers_become_opinions() -> None:
    rows = [
        read(model="small", conf=-0.5, score=1),
        read(model="big", conf=-0.1, score=1),
        read(model="small", id=2, conf=-0.5, score=0),
        read(model="small", segment="other", conf=-0.5, score=0),
    ]
    given = with_opinions(rows, "big")
    assert [len(row.answer.opinions) for row in given] == [1, 0, 0, 0]
    assert given[0].answer.opinions[0].confidence == -0.1
    alone, both = score_row(given[0])
    assert (alone.signals, both.signals) == ("conf", "conf+opinion")
    assert both.score > alone.score
    assert both.agreement == 1.0
    assert [row.signals for row in score_row(read(score=1, opinions=[{"model": "o", "answer": "5"}]))] == ["opinion"]
    assert score_row(read(score=1)) == []
