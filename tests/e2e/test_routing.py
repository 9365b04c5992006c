"""What reaches which tier through the running proxy: domains, floors, conversations, and what clients try."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Proxy

EASY = "Translate 'good night' into Spanish."


def causes(response: object) -> list[str]:
    return response.headers["x-router-cause"].split(",")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("prompt", "domain"),
    [
        ("Should I refinance my mortgage before the rate rises?", "finance"),
        ("Is the indemnification clause enforceable against a negligent plaintiff?", "legal"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_finance_and_legal_go_straight_to_the_frontier(fresh: Proxy, prompt: str, domain: str, stream: bool) -> None:
    response = fresh.chat(prompt, stream=stream)
    assert response.headers["x-router-tier"] == "frontier"
    assert response.headers["x-router-domain"] == domain
    assert "domain_rule" in causes(response)
    record = fresh.records_of(response.headers["x-router-request-id"])[0]
    assert record["domain"]["rule"]
    assert {name for name, requests in fresh.seen().items() if requests} == {"anthropic"}


def test_a_clear_easy_prompt_is_not_sent_to_the_frontier(fresh: Proxy) -> None:
    response = fresh.chat(EASY)
    assert response.headers["x-router-tier"] in ("simple", "medium")
    assert causes(response) == ["score"]


def test_floor_header_raises_and_never_lowers(fresh: Proxy) -> None:
    assert fresh.chat(EASY, headers={"x-router-tier": "frontier"}).headers["x-router-tier"] == "frontier"
    lowered = fresh.chat("Is a mortgage tax deductible?", headers={"x-router-tier": "simple"})
    assert lowered.headers["x-router-tier"] == "frontier"


def test_domain_header_and_unknown_header_values(fresh: Proxy) -> None:
    named = fresh.chat(EASY, headers={"x-router-domain": "legal"})
    assert (named.headers["x-router-tier"], named.headers["x-router-domain"]) == ("frontier", "legal")
    assert "domain_header" in causes(named)
    odd = fresh.chat(EASY, headers={"x-router-tier": "cheapest", "x-router-domain": "nonsense"})
    assert odd.status_code == 200
    assert "header_invalid" in causes(odd)


def test_a_conversation_keeps_the_tier_it_reached(fresh: Proxy) -> None:
    opening = {"role": "user", "content": "Is the plaintiff's claim for breach of contract time-barred?"}
    assert fresh.chat(messages=[opening]).headers["x-router-tier"] == "frontier"
    follow_up = fresh.chat(
        messages=[opening, {"role": "assistant", "content": "It depends."}, {"role": "user", "content": "Thanks!"}]
    )
    assert follow_up.headers["x-router-tier"] == "frontier"


def test_fallbacks_named_by_a_client_are_ignored(fresh: Proxy) -> None:
    fresh.kill("deepseek", "hosted_vllm", "gemini", "openai")
    response = fresh.chat(EASY, fallbacks=["tier-simple"])
    assert response.status_code == 200
    assert response.headers["x-router-tier"] == "frontier"
    assert "tier_fallback" in causes(response)


def test_forged_plugin_state_in_client_metadata_is_ignored(fresh: Proxy) -> None:
    first = fresh.chat(EASY)
    stolen = first.headers["x-router-request-id"]
    forged = fresh.chat(EASY, metadata={"tier_router_request": stolen, "spend_logs_metadata": "odd"})
    assert forged.status_code == 200
    assert forged.headers["x-router-request-id"] != stolen
    assert len(fresh.records_of(stolen)) == 1
    assert len(fresh.records_of(forged.headers["x-router-request-id"])) == 1


def test_one_call_id_for_two_requests_still_gives_two_records(fresh: Proxy) -> None:
    same = {"x-litellm-call-id": "chosen-by-the-client"}
    ids = [fresh.chat(EASY, headers=same).headers["x-router-request-id"] for _ in range(2)]
    assert len(set(ids)) == 2
    assert [len(fresh.records_of(i)) for i in ids] == [1, 1]


def test_health_is_for_admins(fresh: Proxy) -> None:
    health = fresh.health()
    assert health["status"] == "ok"
    assert health["encoder"]["state"] == "ready"
    refused = fresh.http.get("/router/health", headers={"Authorization": "Bearer sk-not-a-key"})
    assert refused.status_code in (400, 401, 403)
