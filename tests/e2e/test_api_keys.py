"""The routes of the API with real virtual keys: who gets in, and who sees what."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import gate_policy
from tests.e2e.keyed_stack import KeyedProxy, keyed_proxy

ADMINS_ONLY = (
    "/router/api/overview", "/router/api/classifier", "/router/api/experiments", "/router/api/policy",
    "/router/api/policy/diff?from=in_force", "/router/api/cache", "/router/health", "/router/metrics",
)  # fmt: skip
FOR_KEYS = ("/router/api/whoami", "/router/api/decisions", "/router/api/decisions/stream")


@dataclass
class Stack:
    """A proxy, keys of two teams and of none, and a request id of each."""

    proxy: KeyedProxy
    teams: dict[str, str]
    keys: dict[str, str]
    asked: dict[str, str]

    def get(self, key: str | None, path: str, **options: Any) -> httpx.Response:
        """Ask with a key, by its name; None for the master key."""
        headers = {} if key is None else {"Authorization": f"Bearer {self.keys[key]}"}
        return self.proxy.http.get(path, headers=headers, **options)

    def explain(self, key: str | None, **body: Any) -> httpx.Response:
        headers = {} if key is None else {"Authorization": f"Bearer {self.keys[key]}"}
        return self.proxy.http.post("/router/explain", headers=headers, json=body)

    def seen(self, key: str | None) -> set[str]:
        """Names of the keys whose requests a key sees in the list."""
        answer = self.get(key, "/router/api/decisions?limit=200")
        assert answer.status_code == 200, answer.text
        ids = {record["request_id"] for record in answer.json()["decisions"]}
        return {name for name, request_id in self.asked.items() if request_id in ids}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    work = tmp_path_factory.mktemp("api-keys")
    with keyed_proxy(work, gate_policy(work)) as proxy:
        teams = {
            alias: str(proxy.made("/team/new", team_alias=alias, models=["auto"])["team_id"])
            for alias in ("red", "blue")
        }
        keys = {
            "red": proxy.made("/key/generate", models=["auto"], key_alias="red-1", team_id=teams["red"])["key"],
            "mate": proxy.made("/key/generate", models=["auto"], key_alias="red-2", team_id=teams["red"])["key"],
            "blue": proxy.made(
                "/key/generate", models=["auto"], team_id=teams["blue"], metadata={"router": {"max_tier": "medium"}}
            )["key"],
            "lone": proxy.made("/key/generate", models=["auto"], key_alias="lone")["key"],
            "loner": proxy.made("/key/generate", models=["auto"], key_alias="loner")["key"],
            "expired": proxy.made("/key/generate", models=["auto"], duration="1s", team_id=teams["red"])["key"],
            "blocked": proxy.made("/key/generate", models=["auto"], team_id=teams["red"])["key"],
        }
        proxy.made("/key/block", key=keys["blocked"])
        keys["forged"] = "sk-" + "0" * 22
        asked = {}
        for name in ("red", "mate", "blue", "lone", "loner"):
            answer = proxy.ask_as(keys[name], "chat", "A sure one?")
            assert answer.status_code == 200, answer.text
            asked[name] = answer.headers["x-router-request-id"]
        wait_until(lambda: len({r["request_id"] for r in proxy.records()} & set(asked.values())) == len(asked))
        yield Stack(proxy, teams, keys, asked)


def test_who_is_who(stack: Stack) -> None:
    assert stack.get(None, "/router/api/whoami").json() == {
        "admin": True, "may_change": True, "team": None, "key_alias": None,
    }  # fmt: skip
    told = stack.get("red", "/router/api/whoami").json()
    assert told == {"admin": False, "may_change": False, "team": stack.teams["red"], "key_alias": "red-1"}
    assert stack.get("lone", "/router/api/whoami").json()["team"] is None


def test_each_sees_its_own_teams_requests(stack: Stack) -> None:
    assert stack.seen(None) == set(stack.asked)
    assert stack.seen("red") == stack.seen("mate") == {"red", "mate"}
    assert (stack.seen("blue"), stack.seen("lone"), stack.seen("loner")) == ({"blue"}, {"lone"}, {"loner"})
    for key, own in (("red", {"red", "mate"}), ("blue", {"blue"}), ("lone", {"lone"}), (None, set(stack.asked))):
        absent = stack.get(key, f"/router/api/decisions/{'f' * 32}")
        for name, request_id in stack.asked.items():
            answer = stack.get(key, f"/router/api/decisions/{request_id}")
            assert answer.status_code == (200 if name in own else 404)
            if name not in own:
                assert (answer.json(), answer.status_code) == (absent.json(), absent.status_code)
            else:
                assert answer.json()["record"]["request_id"] == request_id
                assert answer.json()["explanation"]["aftermath"]["status"] == "ok"


@pytest.mark.parametrize("key", ["expired", "blocked", "forged"])
def test_a_key_that_is_none_any_more_gets_nothing(stack: Stack, key: str) -> None:
    if key == "expired":
        wait_until(lambda: stack.get(key, "/router/api/whoami").status_code == 401)
    for path in (*FOR_KEYS, *ADMINS_ONLY, f"/router/api/decisions/{stack.asked['red']}"):
        assert stack.get(key, path).status_code == 401, path
    assert stack.explain(key, prompt="hello").status_code == 401


def test_nobody_without_a_key(stack: Stack) -> None:
    with httpx.Client(base_url=stack.proxy.stack.url, trust_env=False, timeout=60) as http:
        for path in (*FOR_KEYS, *ADMINS_ONLY):
            assert http.get(path).status_code == 401, path
        assert http.post("/router/explain", json={"prompt": "hello"}).status_code == 401
        assert http.post("/router/api/policy/check", json={"text": ""}).status_code == 401


@pytest.mark.parametrize("key", ["red", "lone"])
def test_what_is_the_administrators_is_no_keys(stack: Stack, key: str) -> None:
    for path in ADMINS_ONLY:
        assert stack.get(key, path).status_code in (401, 403), path
    checked = stack.proxy.http.post(
        "/router/api/policy/check", headers={"Authorization": f"Bearer {stack.keys[key]}"}, json={"text": "x"}
    )
    assert checked.status_code in (401, 403)
    for path in ADMINS_ONLY[3:]:
        assert stack.get(None, path).status_code == 200, path


@pytest.mark.parametrize("path", ["/router/api/decisions/../policy", "/router/api/decisions/..%2fpolicy"])
def test_no_way_round_by_the_path(stack: Stack, path: str) -> None:
    assert stack.get("red", path).status_code in (401, 403, 404)


def test_explaining_sends_and_changes_nothing(stack: Stack) -> None:
    before = len(stack.proxy.settled())
    stack.proxy.simulator.post("/_sim/log/reset")
    for key in (None, "red", "blue", "lone"):
        answer = stack.explain(key, prompt="A sure one?")
        assert answer.status_code == 200, answer.text
        assert [price["tier"] for price in answer.json()["prices"]["tiers"]] == ["simple", "medium", "frontier"]
        assert all(price["usd"] > 0 for price in answer.json()["prices"]["tiers"])
    assert stack.explain("blue", prompt="hello").json()["caller"]["max_tier"] == "medium"
    assert stack.explain("blue", prompt="hello", **{"as": {"team": stack.teams["red"]}}).status_code == 403
    assert not any(stack.proxy.seen().values())
    assert len(stack.proxy.settled()) == before


def test_the_report_and_the_policy(stack: Stack) -> None:
    overview = stack.get(None, "/router/api/overview?since=1d")
    assert overview.status_code == 200, overview.text
    assert overview.json()["requests"] >= len(stack.asked)
    policy = stack.get(None, "/router/api/policy").json()
    assert [version["version"] for version in policy["history"]] == [policy["version"]]
    text = policy["text"].replace("constant: 0.9", "constant: 0.1")
    checked = stack.proxy.http.post("/router/api/policy/check", json={"text": text}).json()
    assert checked["ok"], checked
    assert checked["effect"]["requests"] >= len(stack.asked)
    unknown = policy["text"].replace("model: tier-simple", "model: tier-none")
    assert unknown != policy["text"]
    assert "no model group" in str(
        stack.proxy.http.post("/router/api/policy/check", json={"text": unknown}).json()["findings"]
    )


def test_the_stream_brings_a_teams_requests_to_that_team(stack: Stack) -> None:
    got: dict[str, list[dict[str, Any]]] = {"red": [], "blue": []}
    open_, stop = threading.Semaphore(0), threading.Event()

    def follow(key: str) -> None:
        headers = {"Authorization": f"Bearer {stack.keys[key]}"}
        with (
            httpx.Client(base_url=stack.proxy.stack.url, headers=headers, trust_env=False, timeout=60) as http,
            http.stream("GET", "/router/api/decisions/stream") as stream,
        ):
            assert stream.status_code == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            open_.release()
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    got[key].append(json.loads(line.removeprefix("data: ")))
                if stop.is_set() or any(record["tenant"]["key_alias"] == "last" for record in got[key]):
                    return

    lasts = {
        key: stack.proxy.made("/key/generate", models=["auto"], key_alias="last", team_id=stack.teams[key])["key"]
        if key == "red"
        else stack.proxy.made("/key/generate", models=["auto"], team_id=stack.teams[key])["key"]
        for key in got
    }
    with ThreadPoolExecutor(2) as pool:
        follows = [pool.submit(follow, key) for key in got]
        for _ in got:
            assert open_.acquire(timeout=60)
        for key in ("blue", "red"):
            assert stack.proxy.ask_as(lasts[key], "chat", "A sure one?").status_code == 200
        follows[0].result(timeout=60)
        wait_until(lambda: bool(got["blue"]))
        stop.set()
        assert stack.proxy.ask_as(lasts["blue"], "chat", "A sure one?").status_code == 200
        follows[1].result(timeout=60)
    assert {record["tenant"]["team"] for record in got["red"]} == {stack.teams["red"]}
    assert {record["tenant"]["team"] for record in got["blue"]} == {stack.teams["blue"]}


def test_an_open_stream_does_not_keep_the_proxy_from_stopping(stack: Stack) -> None:
    """The last test here: it stops the proxy."""
    headers = {"Authorization": f"Bearer {stack.keys['red']}"}
    with (
        httpx.Client(base_url=stack.proxy.stack.url, headers=headers, trust_env=False, timeout=60) as http,
        http.stream("GET", "/router/api/decisions/stream") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        stack.proxy.stack.proxy.terminate()
        assert "event: end" in list(lines)
    assert stack.proxy.stack.proxy.wait(60) in (0, -15)
