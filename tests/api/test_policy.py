"""The policy over HTTP: history, differences, and edits that are tried and never applied."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_router.decision import NO_LIMITS
from custom_router.lifecycle import Arrival
from custom_router.policy import Caller
from custom_router.policy.history import VERSIONS, PolicyHistory
from custom_router.policy.load import Policy
from custom_router.policy.masked import WITHHELD, masked
from custom_router.records.record import Tenant, TokenFields
from custom_router.request import RequestView
from custom_router.runtime import Runtime
from custom_router.tiers import Tier
from tests.api.app import application, client
from tests.api.conftest import POLICY

OVERRIDES = "domains:\n  medical:\n    rules: {terms: [aspirin]}\n"


async def begun(runtime: Runtime, prompt: str, caller: Caller | None = None, tokens: int = 0) -> str:
    """A request decided, and finished where it has tokens."""
    view = RequestView.from_chat({"messages": [{"role": "user", "content": prompt}]})
    arrival = Arrival("auto", Tenant("red", key_hash="h"), None, "", time.perf_counter())
    _, pending, _ = await runtime.begin(view, caller or Caller(), arrival, NO_LIMITS)
    if tokens:
        pending.record.tokens = TokenFields(input=tokens, output=tokens)
        runtime.finished.add(pending.record)
    return pending.record.request_id


async def checked(runtime: Runtime, text: str, **more: Any) -> dict[str, Any]:
    async with client(application(runtime)) as http:
        answer = await http.post("/router/api/policy/check", json={"text": text, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def edited(**changes: Any) -> str:
    return yaml.safe_dump({**yaml.safe_load(POLICY), **changes})


async def test_for_administrators_only(runtime: Runtime) -> None:
    app = application(runtime)
    for key, status in ((None, 401), ("red", 403), ("lone", 403)):
        async with client(app, key) as http:
            assert (await http.get("/router/api/policy")).status_code == status
            assert (await http.get("/router/api/policy/diff?from=in_force")).status_code == status
            assert (await http.post("/router/api/policy/check", json={"text": POLICY})).status_code == status


# edits ------------------------------------------------------------------------------------------------------------


async def test_what_an_edit_would_have_done(runtime: Runtime) -> None:
    moved = await begun(runtime, "Which mortgage?", tokens=1000)
    await begun(runtime, "Which aspirin?", tokens=10)
    await begun(runtime, "Which mortgage, once more?")
    version = runtime.engine.policy.version
    told = await checked(runtime, edited(domains={"medical": {"rules": {"terms": ["aspirin"]}}}))
    effect = told["effect"]
    assert (told["ok"], told["findings"]) == (True, [])
    assert (effect["requests"], effect["moved"]) == (3, 3)
    assert effect["from_to"] == {"frontier→simple": 2, "simple→frontier": 1}
    assert effect["domains"] == {"finance": {"before": 2, "after": 0}, "medical": {"before": 0, "after": 1}}
    a_token = 1e-7 + 1e-6
    assert effect["priced"] == 2
    assert effect["cost_before"] == pytest.approx(1000 * a_token * 100 + 10 * a_token)
    assert effect["cost_after"] == pytest.approx(1000 * a_token + 10 * a_token * 100)
    last = effect["examples"][-1]
    assert (last["request_id"], last["from"], last["to"]) == (moved, "frontier", "simple")
    assert effect["examples"][1]["causes"] == ["score", "domain_rule"]
    assert any("this worker" in note for note in effect["notes"])
    assert runtime.engine.policy.version == version


async def test_the_policy_in_force_would_have_changed_nothing(runtime: Runtime) -> None:
    for prompt in ("Which mortgage?", "hello", "an IBAN"):
        await begun(runtime, prompt)
    effect = (await checked(runtime, POLICY))["effect"]
    assert (effect["requests"], effect["moved"], effect["from_to"]) == (3, 0, {})


async def test_thresholds_and_caps_are_replayed(runtime: Runtime) -> None:
    await begun(runtime, "hello")
    await begun(runtime, "hello again", Caller(min_tier=Tier.MEDIUM))
    tiers = yaml.safe_load(POLICY)["tiers"]
    tiers["simple"]["threshold"] = 0.95
    assert (await checked(runtime, edited(tiers=tiers)))["effect"]["from_to"] == {"simple→medium": 1}
    told = await checked(runtime, edited(callers={"max_tier": "simple"}))
    assert told["effect"]["from_to"] == {"medium→simple": 1}
    assert any("only narrow" in note for note in told["effect"]["notes"])
    told = await checked(runtime, edited(mode="shadow"))
    assert told["effect"]["from_to"] == {"simple→frontier": 1, "medium→frontier": 1}


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "is empty"),
        ("mode: enforce", "Field required"),
        ("tiers: [", "not valid YAML"),
        (POLICY + "modus: shadow\n", "unknown key"),
        (POLICY + "x: &a [1]\ny: [*a, *a]\n", "aliases"),
        (POLICY.replace("tier-simple", "no-such-group"), "no such model group"),
        (POLICY.replace("[mortgage]", "[mortgage], patterns: ['(']"), "given twice"),
        (POLICY.replace("'\\bIBAN\\b'", "'('"), "not a regular expression"),
        (POLICY + "  other: {threshold: 0.5}\n", "the domain model knows"),
        ("[" * 100_000, "nested too deeply"),
        ("a: " + "9" * 10_000, "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
async def test_a_bad_edit_is_told_where(runtime: Runtime, text: str, finding: str) -> None:
    told = await checked(runtime, text)
    assert (told["ok"], told["effect"]) == (False, None)
    assert any(finding in f"{each['path']} {each['message']}" for each in told["findings"]), told["findings"]
    assert set(told["findings"][0]) == {"file", "line", "path", "message"}


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../../etc/passwd", "secret.yaml", "/dev/zero", "/proc/self/environ", "\\0"]
)
async def test_no_file_that_an_edit_names_is_read(runtime: Runtime, policy: Path, name: str) -> None:
    (policy.parent / "secret.yaml").write_text("domains: {hush: {}}\n")
    told = await checked(runtime, POLICY + f'overrides: "{name}"\n')
    assert not told["ok"]
    (finding,) = told["findings"]
    assert finding["path"] == "overrides"
    assert "hush" not in str(told)
    assert "root:" not in str(told)


async def test_artifacts_that_an_edit_names_are_not_read(runtime: Runtime) -> None:
    for section in ("classifier", "gate"):
        given = {"artifact": "/proc/self/environ"} | ({"kind": "constant"} if section == "classifier" else {})
        told = await checked(runtime, edited(**{section: given}))
        assert told["ok"]
        assert any("only when the policy is loaded" in note for note in told["effect"]["notes"])


async def test_another_machine_that_an_edit_names_is_not_asked(runtime: Runtime, unused_tcp_server: Any) -> None:
    await begun(runtime, "Which mortgage?")
    url = f"http://127.0.0.1:{unused_tcp_server.port}"
    told = await checked(runtime, edited(classifier={"kind": "vllm", "vllm": {"url": url}}, domains={}))
    assert told["ok"]
    told = await checked(runtime, edited(cache={"redis": {"url": url.replace("http", "redis")}}))
    assert told["ok"]
    assert unused_tcp_server.connections == 0


class _Server:
    def __init__(self) -> None:
        self.connections = 0
        self.port = 0


@pytest.fixture
async def unused_tcp_server() -> Any:
    told = _Server()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.connections += 1
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    yield told
    server.close()


async def test_overrides_are_tried_as_text(runtime: Runtime) -> None:
    await begun(runtime, "Which aspirin?")
    text = POLICY + "overrides: overrides.yaml\n"
    told = await checked(runtime, text, overrides=OVERRIDES)
    assert told["effect"]["from_to"] == {"simple→frontier": 1}
    assert not (await checked(runtime, POLICY, overrides=OVERRIDES))["ok"]
    bad = await checked(runtime, text, overrides="domains: {finance: {}}")
    assert ("stands in" in bad["findings"][0]["message"], bad["findings"][0]["line"]) == (True, 1)


async def test_the_overrides_in_force_serve_where_none_are_given(tmp_path: Path) -> None:
    from custom_router.policy.pasted import parse_pasted

    (tmp_path / "overrides.yaml").write_text(OVERRIDES)
    path = tmp_path / "routing_policy.yaml"
    path.write_text(POLICY + "overrides: overrides.yaml\n")
    in_force = Policy.load(path)
    (tmp_path / "overrides.yaml").write_text("domains: {changed: {}}\n")
    assert parse_pasted(path.read_text(), None, in_force).version == in_force.version
    # Whoever keeps the overrides need not have the policy's text.
    told = parse_pasted(None, "domains: {other: {}}\n", in_force)
    assert set(told.document.domains) == {"finance", "other"}


async def test_texts_are_bounded(runtime: Runtime) -> None:
    async with client(application(runtime)) as http:
        for body in ({"text": "x" * 300_000}, {"text": POLICY, "overrides": "x" * 300_000}, {"text": 1}, {}, []):
            assert (await http.post("/router/api/policy/check", json=body)).status_code == 422


# history ----------------------------------------------------------------------------------------------------------


def load(history: PolicyHistory, directory: Path, text: str, loaded_at: str = "2026-11-25T12:00:00+00:00") -> Policy:
    path = directory / "routing_policy.yaml"
    path.write_text(text)
    policy = Policy.load(path)
    history.note(policy, loaded_at)
    return policy


async def test_history_and_differences(runtime: Runtime, tmp_path: Path) -> None:
    history = PolicyHistory(tmp_path / "records" / "policy")
    first = load(history, tmp_path, POLICY)
    second = load(history, tmp_path, POLICY.replace("0.6}", "0.7}", 1), "2026-11-25T13:00:00+00:00")
    async with client(application(runtime)) as http:
        told = (await http.get("/router/api/policy")).json()
        assert [each["version"] for each in told["history"]] == [second.version, first.version]
        assert told["version"] == runtime.engine.policy.version == first.version
        assert told["text"] == POLICY
        assert told["history_error"] is None
        by = told["history"][0]["by"][0]
        assert (by["loaded_at"], by["source"]) == ("2026-11-25T13:00:00+00:00", str(tmp_path / "routing_policy.yaml"))
        assert by["worker"].endswith(f":{os.getpid()}")
        assert by["owner"]
        assert by["modified"]
        diff = (await http.get(f"/router/api/policy/diff?from={first.version}&to={second.version}")).json()["diff"]
        changed = [line for line in diff.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
        assert changed == [
            "-  simple: {model: tier-simple, threshold: 0.6}", "+  simple: {model: tier-simple, threshold: 0.7}",
        ]  # fmt: skip
        same = await http.get(f"/router/api/policy/diff?from={first.version}&to=in_force")
        assert same.json() == {"diff": ""}
        assert (await http.get(f"/router/api/policy/diff?from={'0' * 12}")).status_code == 404
        for version in ("..%2F..%2Fetc", "x", "0" * 13, ""):
            assert (await http.get(f"/router/api/policy/diff?from={version}")).status_code == 422


def test_only_the_last_versions_are_kept(tmp_path: Path) -> None:
    history = PolicyHistory(tmp_path / "policy")
    versions = [load(history, tmp_path, f"{POLICY}# {number}\n").version for number in range(VERSIONS + 5)]
    assert [version.version for version in history.versions()] == versions[: -VERSIONS - 1 : -1]
    assert len(list((tmp_path / "policy").glob("version-*"))) == VERSIONS
    load(history, tmp_path, f"{POLICY}# {VERSIONS}\n")  # an older one again
    assert history.versions()[0].version == versions[VERSIONS]
    assert len(history.versions()[0].by) == 2


def test_workers_and_restarts_see_the_same(tmp_path: Path) -> None:
    for _ in range(3):
        load(PolicyHistory(tmp_path / "policy"), tmp_path, POLICY)
    (version,) = PolicyHistory(tmp_path / "policy").versions()
    assert len(version.by) == 3


def test_a_history_that_cannot_be_kept_or_read_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy").write_text("a file where the folder should be")
    history = PolicyHistory(tmp_path / "policy")
    load(history, tmp_path, POLICY)
    assert history.versions() == []
    good = PolicyHistory(tmp_path / "other")
    load(good, tmp_path, POLICY)
    for path in (tmp_path / "other").iterdir():
        path.write_bytes(b"[torn")
    assert good.versions() == []


def test_a_reload_is_noted_by_the_watcher(policy: Path, tmp_path: Path) -> None:
    policy.write_text(POLICY + f"records: {{directory: {tmp_path / 'written'}}}\n")
    runtime = Runtime.serve(policy)
    history = PolicyHistory(tmp_path / "written" / "policy")
    try:
        _until(lambda: len(history.versions()) == 1)
        policy.write_text(policy.read_text() + "# another\n")
        _until(lambda: len(history.versions()) == 2)
    finally:
        runtime.close()
    assert history.versions()[0].version == Policy.load(policy).version


def _until(condition: Any, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@host/0", "rediss://user:hunter2@host", "redis://user:hun@ter2@host", "unix://:hunter2@/a.sock",
        '"redis://:hun\\\n      ter2@host"', "redis://:hunter2'x@host", "redis://host?password=hunter2",
        "redis+sentinel://u:hunter2@a:1,b:2/service",
    ],
)  # fmt: skip
def test_no_password_is_kept(tmp_path: Path, url: str) -> None:
    history = PolicyHistory(tmp_path / "policy")
    load(history, tmp_path, f"{POLICY}# was redis://:hunter2@old\ncache:\n  redis:\n    url: {url}\n")
    (version,) = history.versions()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "policy").iterdir())
    assert b"hunter2" not in kept
    assert b"ter2@" not in kept
    assert "host" in version.text or "a.sock" in version.text or "service" in version.text or version.text == WITHHELD


def test_masking_leaves_the_rest_alone() -> None:
    assert masked(POLICY) == POLICY
    assert masked("url: os.environ/REDIS_URL\n") == "url: os.environ/REDIS_URL\n"
    assert masked("a: [http://host/path, user@example.org]\n") == "a: [http://host/path, user@example.org]\n"


def test_a_listener_that_fails_does_not_end_the_watching(policy: Path) -> None:
    from custom_router.policy.watch import PolicyWatcher

    told: list[str] = []

    def fails(loaded: Policy, loaded_at: str) -> None:
        told.append(loaded.version)
        raise RuntimeError("no")

    watcher = PolicyWatcher(policy, lambda loaded: None)
    watcher.tell(fails)
    watcher.start()
    try:
        _until(lambda: len(told) == 1)
        policy.write_text(POLICY + "# another\n")
        _until(lambda: len(told) == 2)
    finally:
        watcher.close()
