"""Looking into the cache, dropping, warming and exporting, by route and by command; feedback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from custom_router.cli import app
from tests.e2e.cache_stack import ASKED, FRANCE, CacheProxy, cache_of, drop_under_way, text_of
from tests.e2e.conftest import wait_until


def command(cache: CacheProxy, *words: str) -> Any:
    """A `tier-router cache` command against the proxy."""
    address = ["--url", cache.stack.url, "--key", cache.stack.master_key]
    return CliRunner().invoke(app, ["cache", *words, *address])


def test_entries_are_shown_without_their_texts_unless_asked(cache: CacheProxy) -> None:
    cache.keep("chat", FRANCE)
    (entry,) = cache.show()["shown"]
    assert (entry["tier"], entry["semantic"], entry["domain"]) == ("simple", True, None)
    assert "France" not in json.dumps(entry)
    (told,) = cache.show(texts=True)["shown"]
    assert told["question"] == FRANCE
    assert told["answer"]


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"tier": "simple"}, 1),
        ({"tier": "frontier"}, 1),
        ({"older_than_s": 3600}, 2),
        ({"like": "What's the capital of France?"}, 1),
        ({"like": "How tall is a giraffe?"}, 2),
        ({"tenant": "team:nobody"}, 2),
        ({"domain": "legal"}, 2),
        ({"tier": "simple", "like": FRANCE}, 1),
        ({"tier": "frontier", "like": FRANCE}, 2),
        ({"all": True}, 0),
    ],
)
def test_entries_are_dropped_by_every_condition(cache: CacheProxy, conditions: dict[str, Any], left: int) -> None:
    cache.keep("chat", FRANCE)
    cache.keep("chat", "An unsure one?")  # the frontier's
    assert cache.drop(**conditions) == 2 - left
    assert cache.stored() == left


def test_one_entry_and_one_policys_entries_are_dropped(cache: CacheProxy) -> None:
    version = cache.keep("chat", FRANCE).headers["x-router-policy"]
    hit = cache.send("chat", FRANCE)
    assert cache.drop(policy_version="another") == 0
    assert cache.drop(entry_id=hit.headers["x-router-cache-id"]) == 1
    assert cache_of(cache.send("chat", FRANCE)) == "miss"
    wait_until(lambda: cache.stored() == 1)
    assert cache.drop(policy_version=version) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_under_way_when_its_like_is_dropped_is_not_stored(cache: CacheProxy, stream: bool) -> None:
    response = drop_under_way(cache, cache, stream=stream)
    assert (cache_of(response), text_of("chat", response)) == ("miss", "Paris is the capital of France.")
    assert cache.stored() == 0
    cache.reset()
    cache.keep("chat", FRANCE)


@pytest.mark.parametrize(
    "body", [{}, {"all": False}, {"all": True, "tier": "simple"}, {"tiers": "simple"}, {"tier": 3}]
)
def test_dropping_by_mistake_is_refused(cache: CacheProxy, body: dict[str, Any]) -> None:
    cache.keep("chat")
    assert cache.http.post("/router/cache/invalidate", json=body).status_code == 422
    assert cache.stored() == 1


def test_the_namespace_of_the_policy_begins_with_an_empty_cache(cache: CacheProxy) -> None:
    cache.keep("chat")
    with cache.policy(cache={"namespace": "2"}):
        assert cache_of(cache.send("chat")) == "miss"
    assert cache_of(cache.send("chat")) == "hit"


def test_switching_the_cache_off_and_on_again(cache: CacheProxy) -> None:
    cache.keep("chat")
    with cache.policy(cache={"enabled": False}):
        response = cache.send("chat")
        assert cache_of(response) == "bypass"
        assert cache.record(response)["cache"]["guard"] == "disabled"
    assert cache_of(cache.send("chat")) == "hit"


def test_commands(cache: CacheProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = tmp_path / "pairs.jsonl"
    lines = [
        {"question": "Where is the canteen?", "answer": "On the second floor."},
        {
            "request": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wifi?"}]},
            "answer": "It is called guest.",
        },
    ]
    pairs.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    # The master key has no team: its requests are its own.
    (master,) = {entry["tenant"] for entry in _kept(cache)}
    warmed = command(cache, "warm", "--input", str(pairs), "--key-hash", master.partition(":")[2])
    assert (warmed.exit_code, warmed.stdout) == (0, "kept 2\n"), warmed.output
    asked = cache.asked()
    hit = cache.send("chat", "Where is the canteen?")
    assert (cache_of(hit), text_of("chat", hit)) == ("hit", "On the second floor.")
    assert hit.headers["x-router-tier"] == "frontier"
    assert cache_of(cache.send("chat", "Wifi?")) == "miss"
    assert cache.asked() != asked
    with_system = cache.chat(messages=lines[1]["request"]["messages"])  # type: ignore[index]
    assert (cache_of(with_system), text_of("chat", with_system)) == ("hit", "It is called guest.")

    assert "entries" in command(cache, "stats").stdout
    shown = [json.loads(line) for line in command(cache, "show", "--like", "Where's the canteen?").stdout.splitlines()]
    assert [entry["entry_id"] for entry in shown] == [hit.headers["x-router-cache-id"]]
    out = tmp_path / "entries.jsonl"
    assert command(cache, "export", "--output", str(out)).exit_code == 0
    exported = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    first = cache.show(limit=1)
    assert [entry["entry_id"] for entry in first["shown"]] == [exported[0]["entry_id"]]
    assert len(cache.show(after=first["next"])["shown"]) == len(exported) - 1
    assert cache.http.get("/router/api/cache", params={"after": "somewhere"}).status_code == 422
    with monkeypatch.context() as small:
        small.setattr("custom_router.cli.cache._PAGE", 1)
        assert command(cache, "export", "--output", str(out)).stdout == f"{len(exported)} entries in {out}\n"
    again = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [entry["entry_id"] for entry in again] == [entry["entry_id"] for entry in exported]
    assert {"Where is the canteen?", "Wifi?"} <= {entry["question"] for entry in exported}
    dropped = command(cache, "invalidate", shown[0]["entry_id"])
    assert dropped.stdout == "dropped 1 entry\n"
    assert cache_of(cache.send("chat", "Where is the canteen?")) == "miss"


def _kept(cache: CacheProxy) -> list[dict[str, Any]]:
    cache.keep("chat")
    return list(cache.show()["shown"])


def test_commands_that_cannot_be_done(cache: CacheProxy, tmp_path: Path) -> None:
    assert command(cache, "invalidate").exit_code == 2
    assert command(cache, "invalidate", "--all", "--tier", "simple").exit_code == 2
    assert command(cache, "show", "--tier", "best").exit_code == 1
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question": "One?", "answer": "1", "entry_id": "x"}\n', encoding="utf-8")
    assert command(cache, "warm", "--input", str(bad)).exit_code == 1
    bad.write_text("{\n", encoding="utf-8")
    refused = command(cache, "warm", "--input", str(bad))
    assert refused.exit_code == 1
    assert "bad.jsonl:1" in refused.output
    wrong = CliRunner().invoke(app, ["cache", "stats", "--url", cache.stack.url, "--key", "sk-wrong"])
    assert wrong.exit_code == 1
    nowhere = CliRunner().invoke(app, ["cache", "stats", "--url", "http://127.0.0.1:9", "--key", "sk-wrong"])
    assert nowhere.exit_code == 1
    assert "--url" in nowhere.output


def test_bad_feedback_on_a_hit_drops_the_entry_and_its_neighbours(cache: CacheProxy) -> None:
    cache.keep("chat", FRANCE)
    cache.keep("chat", "What is the capital of Greece?")
    cache.keep("chat", ASKED)
    hit = cache.send("chat", FRANCE)
    assert cache_of(hit) == "hit"
    request_id = hit.headers["x-router-request-id"]
    cache.record(hit)
    good = cache.http.post("/router/feedback", json={"request_id": request_id, "label": "good"})
    assert good.json() == {"request_id": request_id, "score": 1.0, "tags": [], "dropped": 0}
    bad = cache.http.post("/router/feedback", json={"request_id": request_id, "score": -0.5})
    assert bad.json()["dropped"] >= 1
    left = [entry["question"] for entry in cache.show(texts=True)["shown"]]
    assert FRANCE not in left
    assert ASKED in left
    folder = cache.stack.records / "feedback"
    wait_until(lambda: any(path.read_text(encoding="utf-8").count(request_id) == 2 for path in folder.glob("*.jsonl")))
    assert len(cache.records_of(request_id)) == 1


def test_bad_feedback_on_a_miss_drops_nothing(cache: CacheProxy) -> None:
    miss = cache.keep("chat")
    cache.record(miss)
    request_id = miss.headers["x-router-request-id"]
    told = cache.http.post("/router/feedback", json={"request_id": request_id, "label": "bad"})
    assert told.json() == {"request_id": request_id, "score": -1.0, "tags": [], "dropped": 0}
    assert cache.stored() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"request_id": "never"}, 422),
        ({"request_id": "never", "score": 2}, 422),
        ({"request_id": "never", "score": -1, "label": "good"}, 422),
        ({"request_id": "never", "score": 1, "tags": ["=1+1"]}, 422),
        ({"request_id": "never", "label": "bad"}, 404),
    ],
)
def test_feedback_that_makes_no_sense(cache: CacheProxy, body: dict[str, Any], status: int) -> None:
    assert cache.http.post("/router/feedback", json=body).status_code == status
