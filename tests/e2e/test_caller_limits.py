"""Limits of real keys and teams: nothing widens them, mistakes are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import gate_policy, request_of, request_with_image
from tests.e2e.keyed_stack import KeyedProxy, keyed_proxy
from tests.e2e.receiver import receiver

REFUSED = "A refused one?"
"""Its simple answer is one that the gate replaces, by the highest tier that the caller may have."""
KINDS = ("chat", "completion", "responses", "messages")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedProxy]:
    work = tmp_path_factory.mktemp("limits")
    with receiver() as store:  # a vector store that finds nothing
        places = {"OPENAI_BASE_URL": f"{store.url}/v1", "OPENAI_API_KEY": "not-a-key"}
        with keyed_proxy(work, gate_policy(work), **places) as proxy:
            yield proxy


def _named(keyed: KeyedProxy, key: str, model: str, kind: str = "chat") -> int:
    path, body = request_of(kind, "Hello")
    headers = {"Authorization": f"Bearer {key}"}
    return keyed.http.post(path, json={"model": model, **body}, headers=headers).status_code


def test_a_capped_key_that_may_name_any_model_is_still_capped(keyed: KeyedProxy) -> None:
    key = keyed.key({"max_tier": "medium"}, models=[])
    frontier = [m for m in keyed.http.get("/model/info").json()["data"] if m["model_name"] == "tier-frontier"]
    names = {
        "tier-frontier",
        *(m["model_info"]["id"] for m in frontier),
        *(m["litellm_params"]["model"] for m in frontier),
    }
    assert len(names) == 1 + 2 * len(frontier)
    names.add("tier-simple,tier-frontier")
    for kind in KINDS:
        assert _named(keyed, key, "tier-frontier", kind) == 403, kind
    assert {name: _named(keyed, key, name) for name in names} == dict.fromkeys(names, 403)
    assert _named(keyed, key, "tier-medium") == 200
    assert _named(keyed, keyed.key(models=[]), "tier-frontier") == 200, "a key without a cap may"
    assert _named(keyed, keyed.stack.master_key, "tier-frontier") == 200


GOOGLE = {"contents": [{"role": "user", "parts": [{"text": "Name a colour."}]}]}


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
def test_an_api_that_is_not_routed_keeps_to_the_cap_too(keyed: KeyedProxy, method: str) -> None:
    def asked(key: str, *, out: bool = False, **forged: Any) -> set[str]:
        headers = {"Authorization": f"Bearer {key}"}
        answer = keyed.http.post(f"/v1beta/models/auto:{method}", json={**GOOGLE, **forged}, headers=headers)
        assert (answer.status_code == 200) != out, answer.text
        assert "x-router-request-id" not in answer.headers, "it would need a record"
        return {model for seen in keyed.seen().values() for request in seen if (model := request.get("model"))}

    keyed.reset()

    models = {
        entry["litellm_params"]["model"].partition("/")[2]: entry["model_name"]
        for entry in keyed.http.get("/model/info").json()["data"]
        if entry["model_name"] != "auto"
    }
    capped = keyed.key({"max_tier": "simple"}, models=[])
    assert {models[model] for model in asked(capped)} == {"tier-simple"}
    assert {models[model] for model in asked(capped, model="tier-frontier")} == {"tier-simple"}
    keyed.fault("refuse", "deepseek", "hosted_vllm")
    seen = asked(capped, out=True, fallbacks=["tier-frontier"])
    assert {models[model] for model in seen} == {"tier-simple"}
    keyed.reset()
    assert {models[model] for model in asked(keyed.key())} == {"tier-frontier"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gemini/v1beta/models/gemini-3.8-flash:generateContent", GOOGLE),
        ("/v1/batches", {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
    ],
)
def test_routes_whose_models_cannot_be_seen_are_closed_to_a_capped_key(
    keyed: KeyedProxy, path: str, body: dict[str, Any]
) -> None:
    key = keyed.key({"max_tier": "medium"}, models=[])
    headers = {"Authorization": f"Bearer {key}", "x-goog-api-key": key}
    refused = keyed.http.post(path, json=body, headers=headers)
    assert refused.status_code == 403, refused.text
    assert "tiers up to medium" in refused.text


@pytest.mark.parametrize("path", ["/v1/responses?model=auto", "/v1/responses", "/v1/realtime?model=auto"])
def test_a_socket_whose_frames_may_name_models_is_closed_to_a_capped_key(keyed: KeyedProxy, path: str) -> None:
    keyed.reset()
    headers = {"Authorization": f"Bearer {keyed.key({'max_tier': 'medium'})}"}
    model = "openai/gpt-5.6-sol" if "?" in path else "auto"
    with connect(f"{keyed.stack.url.replace('http', 'ws', 1)}{path}", additional_headers=headers, proxy=None) as socket:
        if "responses" in path:  # the other is refused before any frame
            socket.send(json.dumps({"type": "response.create", "model": model, "input": "A word?"}))
        told = json.loads(socket.recv(timeout=60))
    assert told["type"] == "error"
    assert "tiers up to medium" in told["error"]["message"]
    assert keyed.asked() == {}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["auto", "tier-frontier"])
def test_a_route_without_hooks_keeps_to_the_cap_too(keyed: KeyedProxy, model: str, stream: bool) -> None:
    def asked(key: str, model: str = model) -> httpx.Response:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "A word?"}],
            "retrieval_config": {"vector_store_id": "vs_1", "custom_llm_provider": "openai"},
            "metadata": IDENTITY,
            "stream": stream,
        }
        return keyed.http.post("/v1/rag/query", json=body, headers={"Authorization": f"Bearer {key}"})

    keyed.reset()
    capped = keyed.key({"max_tier": "medium"}, models=[])
    refused = asked(capped)
    assert "tiers up to medium" in refused.text
    assert refused.status_code == 403
    assert keyed.asked() == {}
    assert asked(capped, "tier-medium").status_code == 200
    assert asked(keyed.key(models=[])).status_code == 200
    assert "anthropic" in keyed.asked()


@pytest.mark.parametrize("kind", KINDS)
def test_an_alias_of_a_key_does_not_lead_around_the_router(keyed: KeyedProxy, kind: str) -> None:
    key = keyed.key({"max_tier": "simple"}, models=["auto", "tier-frontier"], aliases={"auto": "tier-frontier"})
    answer = keyed.ask_as(
        key, kind, REFUSED, fallbacks=["tier-frontier"], metadata={"router": {"max_tier": "frontier"}}
    )
    assert answer.headers["x-router-tier"] == "simple"
    assert keyed.record(answer)["tier"] == "simple"


FRONTIER = ["tier-frontier"]
IDENTITY = {"router": {"max_tier": "frontier"}, "user_api_key_metadata": {"router": {"max_tier": "frontier"}}}
FORGERIES: dict[str, dict[str, Any]] = {
    "fallbacks": {"fallbacks": FRONTIER},
    "fallbacks by group": {"fallbacks": [{"tier-simple": FRONTIER, "tier-medium": FRONTIER}]},
    "fallbacks in a fallback": {"fallbacks": [{"model": "tier-medium", "fallbacks": FRONTIER}]},
    "window": {"context_window_fallbacks": [{"tier-medium": FRONTIER}]},
    "content": {"content_policy_fallbacks": [{"tier-medium": FRONTIER}]},
    "settings": {"router_settings_override": {"fallbacks": [{"tier-simple": FRONTIER, "tier-medium": FRONTIER}]}},
    "extra body": {"extra_body": {"model": "gpt-5.6-sol"}},
    "deployment": {"deployment_id": "gpt-5.6-sol"},
    "advisor": {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "tier-frontier"}]},
    "advisor in extra body": {
        "extra_body": {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}]}
    },
    "model id": {"model_id": "gpt-5.6-sol", "extra_body": {"model_id": "gpt-5.6-sol"}},
    "models": {"models": ["gpt-5.6-sol"], "route": "fallback", "extra_body": {"models": ["gpt-5.6-sol"]}},
    "metadata": {"metadata": IDENTITY},
    "litellm_metadata": {"litellm_metadata": IDENTITY},
}


@pytest.mark.parametrize("asked", ["auto", "tier-medium"])
def test_nothing_in_a_body_or_header_leads_above_the_cap(keyed: KeyedProxy, asked: str) -> None:
    """Neither while the tier answers nor when it is out."""
    key = keyed.key({"max_tier": "medium", "min_tier": "medium", "gate": "off"}, models=[])
    headers = {"Authorization": f"Bearer {key}", "x-router-tier": "frontier", "x-router-domain": "finance"}
    keyed.reset()
    for out in (False, True):
        if out:
            keyed.fault("refuse", "gemini", "openai")
        for (name, forged), kind in product(FORGERIES.items(), KINDS):
            path, body = request_of(kind, "A word?")
            answer = keyed.http.post(path, json={"model": asked, **body, **forged}, headers=headers)
            assert (answer.status_code == 200) != out, (name, kind, answer.text)
        seen = [request for requests in keyed.seen().values() for request in requests]
        assert {request["model"] for request in seen} <= {"gemini-3.8-flash", "gpt-5.4-mini"}, out
        assert not {"model_id", "models", "route"} & {name for request in seen for name in request["body_keys"]}, out
    keyed.reset()


def test_a_client_without_a_cap_does_not_choose_its_fallbacks_either(keyed: KeyedProxy) -> None:
    key = keyed.key({"gate": "off"}, models=[])
    keyed.reset()
    keyed.fault("refuse", "deepseek", "hosted_vllm")
    for forged, kind in product(FORGERIES.values(), KINDS):
        answer = keyed.ask_as(key, kind, "A word?", **forged)
        assert answer.headers["x-router-tier"] == "medium", (forged, kind, answer.text)
    keyed.reset()


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_whose_tiers_take_no_images_is_refused_one(keyed: KeyedProxy, stream: bool) -> None:
    keyed.reset()
    for cap, status in (("simple", 400), ("medium", 200)):
        headers = {"Authorization": f"Bearer {keyed.key({'max_tier': cap})}"}
        for kind in ("chat", "responses", "messages"):
            path, body = request_with_image(kind)
            answer = keyed.http.post(path, json={"model": "auto", "stream": stream, **body}, headers=headers)
            assert answer.status_code == status, answer.text
            assert ("raise max_tier to medium" in answer.text) == (status == 400)
    assert keyed.asked().keys() <= {"gemini", "openai"}


def test_a_floor_that_cannot_be_read_is_the_highest_that_the_cap_allows(keyed: KeyedProxy) -> None:
    for cap, tier in (({}, "frontier"), ({"max_tier": "medium"}, "medium")):
        record = keyed.record(keyed.ask_as(keyed.key({"min_tier": "midium", **cap}), "chat", "A sure one?"))
        assert record["tier"] == tier
        assert "caller_policy_malformed" in record["causes"]


def test_a_typing_mistake_narrows_and_is_shown_until_it_is_mended(keyed: KeyedProxy) -> None:
    team = keyed.made("/team/new", team_alias="typos", models=["auto"], metadata={"router": {"cahce": "off"}})
    key = keyed.key({"max_teir": "medium"}, key_alias="typo", team_id=team["team_id"])
    record = keyed.record(keyed.ask_as(key, "chat", REFUSED))
    assert record["tier"] == "simple"
    assert "caller_policy_malformed" in record["causes"]
    told = {entry["who"]: entry for entry in keyed.health()["callers"]["malformed"]}
    assert "max_teir" in told["key typo"]["problems"][0]
    assert "cahce" in told["team typos"]["problems"][0]
    assert "metadata.router" in told["key typo"]["mend"]
    assert key not in str(told)
    keyed.made("/key/update", key=key, metadata={"router": {"max_tier": "frontier"}})

    def mended() -> bool:
        keyed.ask_as(key, "chat", "A sure one?")
        who = {entry["who"] for entry in keyed.health()["callers"]["malformed"]}
        return "team typos" in who and "key typo" not in who

    wait_until(mended, 90)  # LiteLLM may keep the key as it was for a minute


@pytest.mark.parametrize("stream", [False, True])
def test_an_outage_does_not_lead_to_a_tier_beyond_the_budget(keyed: KeyedProxy, stream: bool) -> None:
    """What is left pays for an answer of the medium tier, not for one of the frontier's. A team for each request, since
    LiteLLM holds all of a scarce budget back for one, until it has billed it."""
    made: list[str] = []

    def ask(kind: str) -> httpx.Response:
        made.append(f"scarce-{stream}-{len(made)}")
        team = keyed.made("/team/new", team_alias=made[-1], models=["auto"], max_budget=0.002)
        key = keyed.key({"gate": "off"}, team_id=team["team_id"])
        return keyed.ask_as(key, kind, "A word?", stream=stream)

    keyed.reset()
    keyed.fault("refuse", "deepseek", "hosted_vllm")
    for kind in KINDS:
        record = keyed.record(ask(kind))
        assert (record["tier"], "tier_fallback" in record["causes"]) == ("medium", True), kind
        assert "fallback_over_budget" not in record["causes"]
    keyed.fault("refuse", "gemini", "openai")
    unlimited = keyed.key({"gate": "off"})
    for kind in KINDS:
        assert keyed.record(keyed.ask_as(unlimited, kind, "A word?", stream=stream))["tier"] == "frontier", kind
    asked = keyed.asked()["anthropic"]
    for kind in KINDS:
        answer = ask(kind)
        assert answer.status_code != 200 or '"error"' in answer.text, kind

    def failed() -> list[dict[str, Any]]:
        return [r for r in keyed.records() if r["tenant"]["team_alias"] in made and r["outcome"]["status"] == "error"]

    wait_until(lambda: len(failed()) == len(KINDS))
    assert all("fallback_over_budget" in record["causes"] for record in failed())
    assert keyed.asked()["anthropic"] == asked
    keyed.reset()


def test_a_domain_over_a_cap_and_under_it(keyed: KeyedProxy) -> None:
    key = keyed.key({"max_tier": "simple"})
    domains = {"medical": {"rules": {"terms": ["insulin"]}}}
    with keyed.policy(domains=domains):
        for kind, stream in product(KINDS, (False, True)):
            record = keyed.record(keyed.ask_as(key, kind, "How is insulin stored?", stream=stream))
            assert (record["tier"], record["domain"]["tier"]) == ("frontier", "frontier"), kind
            assert "domain_over_cap" in record["causes"]
    with keyed.policy(domains=domains, callers={"domain_over_cap": False}):
        record = keyed.record(keyed.ask_as(key, "chat", "How is insulin stored?"))
        assert record["tier"] == "simple"
        assert {"cap_over_domain", "caller_cap"} <= set(record["causes"])
