from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from custom_router.simulator import Simulator, SimulatorConfig
from custom_router.simulator.replay import ReplayRow, load_replay
from tests.simulator.simulator_calls import ask

ROWS: list[dict[str, Any]] = [
    {"prompt": "Capital of Peru?", "answer": "Lima.", "score": 1.0, "logprobs": -0.25},
    {"prompt": "Capital of Peru?", "model": "small", "answer": "Cusco.", "score": 0.0, "logprobs": [-0.5, -2.0]},
    {"prompt": "Long", "answer": "one two three", "finish_reason": "length"},
    {
        "prompt": "Tokens",
        "answer": "Yes.",
        "logprobs": [{"token": "Yes", "logprob": -0.1}, {"token": ".", "logprob": -0.9}],
    },
]


@pytest.fixture
def replay_file(tmp_path: Path) -> Path:
    path = tmp_path / "replay.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n", encoding="utf-8")
    return path


def logprobs_of(client: openai.OpenAI, prompt: str, model: str) -> list[tuple[str, float]]:
    choice = ask(client, prompt, model=model, logprobs=True).choices[0]
    assert choice.logprobs is not None
    return [(entry.token, entry.logprob) for entry in choice.logprobs.content or []]


def test_recorded_answers_are_given_by_prompt_and_model(replay_file: Path) -> None:
    with (
        Simulator(SimulatorConfig(replay=replay_file)) as sim,
        openai.OpenAI(base_url=sim.api_base("x"), api_key="unused", max_retries=0) as client,
    ):
        assert ask(client, "Capital of Peru?", model="large").choices[0].message.content == "Lima."
        small = client.chat.completions.with_raw_response.create(
            model="small", messages=[{"role": "user", "content": "Capital of Peru?"}]
        )
        assert small.parse().choices[0].message.content == "Cusco."
        assert small.headers["x-sim-score"] == "0"
        assert small.headers["x-sim-replayed"] == "true"
        assert ask(client, "Long").choices[0].finish_reason == "length"
        assert ask(client, "Long", max_tokens=2).choices[0].message.content == "one two"
        assert (ask(client, "Something else").choices[0].message.content or "").startswith("[simulated plain]")

        assert logprobs_of(client, "Capital of Peru?", "large") == [("Lima", -0.25), (".", -0.25)]
        assert logprobs_of(client, "Capital of Peru?", "small") == [("Cus", -0.5), ("co.", -2.0)]
        assert logprobs_of(client, "Tokens", "large") == [("Yes", -0.1), (".", -0.9)]
        assert len(logprobs_of(client, "Long", "large")) == 3


def test_a_bad_line_is_named(replay_file: Path) -> None:
    with replay_file.open("a", encoding="utf-8") as file:
        file.write('{"prompt": "no answer"}\n')
    with pytest.raises(ValueError, match=r"replay\.jsonl:6: answer"):
        load_replay(replay_file)


@pytest.mark.parametrize("count", [1, 3, 7, 40])
def test_bare_logprobs_cut_the_answer_without_losing_any(count: int) -> None:
    row = ReplayRow(prompt="p", answer="a longer answer", logprobs=[-0.1] * count)
    tokens, logprobs = row.tokens()
    assert "".join(tokens) == "a longer answer"
    assert len(tokens) == len(logprobs or []) == count
