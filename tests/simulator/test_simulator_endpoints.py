from __future__ import annotations

import json
from typing import Any

import numpy as np
import openai
import pytest

from custom_router.simulator import Simulator
from tests.simulator.simulator_calls import ask, seen

LOOKUP: Any = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"term": {"type": "string"}}, "required": ["term"]},
    "strict": True,
}


def test_embeddings_are_unit_vectors_and_repeatable(client: openai.OpenAI) -> None:
    first = client.embeddings.create(model="plain", input=["one", "two"])
    again = client.embeddings.create(model="plain", input="one", encoding_format="float")
    vectors = np.array([entry.embedding for entry in first.data])
    assert vectors.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(again.data[0].embedding, vectors[0], atol=1e-6)
    assert abs(float(vectors[0] @ vectors[1])) < 0.5
    assert first.usage.prompt_tokens == 2
    assert len(client.embeddings.create(model="plain", input=[1, 2, 3], dimensions=8).data[0].embedding) == 8


def test_models_lists_the_configured_ones(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["blind", "plain", "shy"]


def test_completions_answer_every_prompt(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="plain", prompt=["alpha centauri", "beta decay"], n=2, logprobs=2)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    first = answer.choices[0]
    assert first.text.startswith("[simulated plain]")
    assert first.logprobs is not None
    assert "".join(first.logprobs.tokens or []) == first.text
    chunks = list(client.completions.create(model="plain", prompt="alpha centauri", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == first.text
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_responses_say_what_chat_says(client: openai.OpenAI) -> None:
    prompt = "How do suspension bridges carry load?"
    answer = client.responses.create(model="plain", input=prompt, instructions="Be brief.")
    assert answer.status == "completed"
    assert answer.output_text == ask(client, prompt).choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    short = client.responses.create(model="plain", input=prompt, max_output_tokens=4)
    assert short.status == "incomplete"
    assert short.incomplete_details is not None
    assert short.incomplete_details.reason == "max_output_tokens"


def test_streamed_responses_assemble_in_the_client(client: openai.OpenAI) -> None:
    with client.responses.stream(model="plain", input="Tell me about tides") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == client.responses.create(model="plain", input="Tell me about tides").output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("streamed", [False, True])
def test_responses_call_tools(client: openai.OpenAI, streamed: bool) -> None:
    if streamed:
        with client.responses.stream(model="plain", input="Look up osmosis", tools=[LOOKUP]) as stream:
            stream.until_done()
            output = [item.model_dump() for item in stream.get_final_response().output]
    else:
        output = [
            i.model_dump()
            for i in client.responses.create(model="plain", input="Look up osmosis", tools=[LOOKUP]).output
        ]
    call = output[0]
    assert call["type"] == "function_call"
    assert isinstance(json.loads(call["arguments"])["term"], str)
    result: Any = {"type": "function_call_output", "call_id": call["call_id"], "output": "it diffuses"}
    again: Any = [{"role": "user", "content": "Look up osmosis"}, call, result]
    final = client.responses.create(model="plain", input=again, tools=[LOOKUP])
    assert final.output_text.startswith("[simulated plain]")


def test_the_log_tells_which_provider_saw_what(sim: Simulator, client: openai.OpenAI) -> None:
    with openai.OpenAI(base_url=f"{sim.url}/v1", api_key="secret-key", max_retries=0) as plain:
        ask(plain, model="anything", extra_headers={"X-Tenant": "blue", "X-Api-Key": "secret-too"})
    for _ in range(7):
        ask(client)
    log = seen(sim)
    assert log["default"]["count"] == 1
    entry = log["default"]["requests"][0]
    assert (entry["path"], entry["model"], entry["stream"]) == ("/v1/chat/completions", "anything", False)
    assert entry["headers"]["x-tenant"] == "blue"
    assert entry["body_keys"] == ["messages", "model"]
    assert "secret-" not in json.dumps(log)
    assert log["deepseek"]["count"] == 7
    assert log["deepseek"]["models"] == {"plain": 7}
    assert len(log["deepseek"]["requests"]) == 5
