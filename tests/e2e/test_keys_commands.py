"""`tier-router keys` against LiteLLM's own keys: planned, made once, changed, and audited."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_router.keys.audit import CONFINED_TO
from tests.cli.cli_calls import run
from tests.e2e.gate_stack import gate_policy
from tests.e2e.keyed_stack import KeyedProxy, keyed_proxy

WANTED: dict[str, Any] = {
    "teams": {
        "support": {"max_budget": 50, "budget_duration": "30d", "router": {"max_tier": "medium", "cache": "team"}},
        "research": {"rpm_limit": 600},
    },
    "keys": {
        "support-bot": {"team": "support", "max_budget": 20, "router": {"max_tier": "simple", "gate": "off"}},
        "research-one": {"team": "research", "router": {}},
    },
}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedProxy]:
    work = tmp_path_factory.mktemp("keys-commands")
    with keyed_proxy(work, gate_policy(work)) as proxy:
        yield proxy


class Commands:
    """The commands as typed beside a file of teams and keys."""

    def __init__(self, keyed: KeyedProxy, folder: Path) -> None:
        self.keyed = keyed
        self.file = folder / "keys.yaml"
        self.secrets = folder / "new_keys.jsonl"

    def run(self, command: str, *more: str | Path, **wanted: Any) -> Any:
        given: list[str | Path] = []
        if wanted:
            self.file.write_text(yaml.safe_dump(wanted, sort_keys=False), encoding="utf-8")
            given = [self.file]
        return run("keys", command, *given, "--url", self.keyed.stack.url, "--policy", self.keyed.stack.policy, *more)

    def new_keys(self) -> dict[str, str]:
        lines = map(json.loads, self.secrets.read_text(encoding="utf-8").splitlines())
        return {line["key_alias"]: line["key"] for line in lines}

    def listed(self, alias: str) -> dict[str, Any]:
        found = self.keyed.http.get(
            "/key/list", params={"return_full_object": True, "include_team_keys": True, "size": 100}
        ).json()["keys"]
        (key,) = [key for key in found if key["key_alias"] == alias]
        return dict(key)


@pytest.fixture
def commands(keyed: KeyedProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("LITELLM_MASTER_KEY", keyed.stack.master_key)
    return Commands(keyed, tmp_path)


def test_from_a_file_to_keys_that_hold_their_caps(commands: Commands, keyed: KeyedProxy) -> None:
    planned = commands.run("plan", **WANTED)
    assert planned.exit_code == 0, planned.output
    assert "+ team support" in planned.stdout
    assert '"team_id": "(id of team support)"' in planned.stdout
    assert "4 to make, 0 to change" in planned.stderr
    assert keyed.http.get("/team/list").json() == [], "a plan makes nothing"

    refused = commands.run("apply", **WANTED)
    assert refused.exit_code == 1
    assert "--secrets" in refused.stderr
    assert keyed.http.get("/team/list").json() == []

    applied = commands.run("apply", "--secrets", commands.secrets, **WANTED)
    assert applied.exit_code == 0, applied.output
    keys = commands.new_keys()
    assert list(keys) == ["support-bot", "research-one"]
    assert stat.S_IMODE(commands.secrets.stat().st_mode) == 0o600
    assert not any(key in applied.output or keyed.stack.master_key in applied.output for key in keys.values())

    again = commands.run("apply", **WANTED)
    assert again.exit_code == 0, again.output
    assert [line[0] for line in again.stderr.splitlines()] == ["="] * 4

    # The gate is off for the first, so its answer stays in the tier it is capped at; the other's is escalated.
    for alias, tier in (("support-bot", "simple"), ("research-one", "frontier")):
        answer = keyed.ask_as(keys[alias], "chat", "A refused one?")
        assert keyed.record(answer)["tier"] == tier
        record = keyed.record(answer)
        assert (record["tenant"]["key_alias"], record["tenant"]["team_alias"]) == (alias, alias.split("-")[0])
    direct = keyed.http.post(
        "/v1/chat/completions",
        json={"model": "tier-frontier", "messages": [{"role": "user", "content": "Hi"}]},
        headers={"Authorization": f"Bearer {keys['support-bot']}"},
    )
    assert direct.status_code in (401, 403)


def test_a_change_is_one_update_that_keeps_the_rest(commands: Commands, keyed: KeyedProxy) -> None:
    team = keyed.made("/team/new", team_alias="sales", models=["auto"], metadata={"owner": "kim", "router": {}})
    keyed.made(
        "/key/generate",
        key_alias="sales-bot",
        models=["auto", "tier-frontier"],
        team_id=team["team_id"],
        metadata={"cost_centre": 7, "callback": "its-secret"},
        max_budget=5,
    )
    wanted: dict[str, Any] = {
        "teams": {"sales": {"router": {"max_tier": "medium"}}},
        "keys": {"sales-bot": {"team": "sales", "max_budget": 9, "router": {"cache": "off"}}},
    }
    planned = commands.run("plan", **wanted)
    assert "~ team sales   router {} → " in planned.stdout
    assert "max_budget 5.0 → 9.0" in planned.stdout
    assert '["auto", "tier-frontier"] → ["auto"]' in planned.stdout
    assert "not in the file, left alone: " in planned.stdout
    assert commands.listed("sales-bot")["token"] not in planned.stdout
    assert "its-secret" not in planned.output

    applied = commands.run("apply", **wanted)
    assert applied.exit_code == 0, applied.output
    key = commands.listed("sales-bot")
    assert (key["models"], key["max_budget"]) == (["auto"], 9.0)
    assert key["metadata"]["router"] == {"cache": "off"}
    assert (key["metadata"]["cost_centre"], key["metadata"]["callback"]) == (7, "its-secret")
    (there,) = [t for t in keyed.http.get("/team/list").json() if t["team_alias"] == "sales"]
    assert there["metadata"]["owner"] == "kim"
    assert there["metadata"]["router"] == {"max_tier": "medium"}
    again = commands.run("apply", **wanted)
    assert [line[0] for line in again.stderr.splitlines() if line[0] in "+~="] == ["="] * 2


def test_the_audit_names_each_way_past_the_router(commands: Commands, keyed: KeyedProxy) -> None:
    team = keyed.made("/team/new", team_alias="audited", models=["auto"], metadata={"router": {"max_tier": "medium"}})
    ways: dict[str, dict[str, Any]] = {
        "anything": {"models": []},
        "names-a-tier": {"models": ["auto", "tier-frontier"]},
        "aliased": {"models": ["auto"], "aliases": {"auto": "tier-frontier"}},
        "mistyped": {"models": ["auto"], "metadata": {"router": {"max_teir": "simple"}}},
        "wider": {"models": ["auto"], "team_id": team["team_id"], "metadata": {"router": {"max_tier": "frontier"}}},
        "of-its-team": {"models": [], "team_id": team["team_id"]},
    }
    for alias, fields in ways.items():
        keyed.made("/key/generate", key_alias=alias, **fields)
    audited = commands.run("audit")
    assert audited.exit_code == 1
    lines = audited.stdout.splitlines()

    def told(alias: str) -> list[str]:
        return [line for line in lines if f"key {alias}:" in line or f"key {alias} of team" in line]

    assert any(line.startswith("bypass") and "any model" in line for line in told("anything"))
    assert any(
        line.startswith("bypass") and "names a tier itself: tier-frontier" in line for line in told("names-a-tier")
    )
    assert any(line.startswith("bypass") and "alias auto for tier-frontier" in line for line in told("aliased"))
    assert any(line.startswith("malformed") and "max_teir" in line for line in told("mistyped"))
    assert any(line.startswith("note") and "wider than its team's" in line for line in told("wider"))
    assert not told("of-its-team"), "its team's list holds it"
    machine = json.loads(commands.run("audit", "--json").stdout)
    assert {finding["severity"] for finding in machine} == {"bypass", "malformed", "note"}


def test_a_user_gets_around_the_cap_of_a_key_that_is_not_confined_to_calling_models(
    commands: Commands, keyed: KeyedProxy
) -> None:
    keyed.made("/user/new", user_id="kim", user_role="internal_user", auto_create_key=False)
    capped: dict[str, Any] = {"router": {"max_tier": "simple"}, "user_id": "kim"}
    confined = keyed.key(**capped, key_alias="confined", allowed_routes=CONFINED_TO)
    loose = keyed.key(**capped, key_alias="loose")

    def managed(key: str) -> dict[str, int]:
        headers = {"Authorization": f"Bearer {key}"}
        lifted = keyed.http.post("/key/update", json={"key": key, "metadata": {"router": {}}}, headers=headers)
        another = keyed.http.post("/key/generate", json={"models": ["auto"]}, headers=headers)
        return {"lifted": lifted.status_code, "another": another.status_code}

    lines = [line for line in commands.run("audit").stdout.splitlines() if line.startswith("bypass")]
    assert any("key loose:" in line and "capped at simple" in line for line in lines)
    assert not any("key confined:" in line for line in lines)
    assert managed(confined) == {"lifted": 403, "another": 403}
    assert keyed.record(keyed.ask_as(confined, "chat", "A sure one?"))["tier"] == "simple"
    assert keyed.http.get("/router/api/whoami", headers={"Authorization": f"Bearer {confined}"}).status_code == 200
    assert managed(loose) == {"lifted": 403, "another": 200}, "a key that an administrator made stays as it is"


def test_a_file_with_mistakes_and_a_proxy_that_says_no(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: dict[str, Any] = {
        "teams": {"a": {"router": {"max_teir": "simple"}}},
        "keys": {"b": {"team": "c", "router": {"domain": "finances"}}},
    }
    result = commands.run("plan", **wrong)
    assert result.exit_code == 1
    assert "keys.yaml:" in result.stderr
    assert "teams.a.router.max_teir: unknown key" in result.stderr
    del wrong["teams"]["a"]["router"]
    result = commands.run("plan", **wrong)
    assert "keys.b.team: no team 'c'" in result.stderr
    assert "keys.b.router.domain: no domain 'finances'" in result.stderr
    commands.secrets.write_text("held")
    kept = commands.run("apply", "--secrets", commands.secrets, keys={"fresh": {}})
    assert kept.exit_code == 1
    assert "nothing done" in kept.stderr
    assert commands.secrets.read_text() == "held"
    monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-wrong")
    said = commands.run("audit")
    assert said.exit_code == 1
    assert "sk-wrong" not in said.output
    monkeypatch.delenv("LITELLM_MASTER_KEY")
    assert "LITELLM_MASTER_KEY is not set" in commands.run("audit").stderr
