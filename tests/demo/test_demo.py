"""The demo's own logic, and the demo itself run as a newcomer runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.serve import app, missing_variables
from custom_router.demo.simulated import simulate_providers
from custom_router.demo.stack import Stack, StackError, free_port
from custom_router.demo.summary import summarise, typical_ms
from custom_router.demo.traffic import Answer, DemoPrompt, demo_prompts

ROOT = Path(__file__).resolve().parents[2]


def answer(tier: str, cause: str, ms: float, *, error: str | None = None, before: str | None = None) -> Answer:
    headers = {"x-router-tier": tier, "x-router-cause": cause}
    return Answer(DemoPrompt("p", "plain", before), headers, "text", ms, error)


def record(
    tier: str, total: float | None, baseline: float | None, status: str = "ok", escalated_to: str | None = None
) -> dict[str, object]:
    saved = None if total is None or baseline is None else baseline - total
    return {
        "tier": tier,
        "cost": {"total": total, "frontier_baseline": baseline, "saved": saved},
        "outcome": {"status": status},
        "gate": {"escalated_to": escalated_to},
        "cache": {"status": "hit" if total == 0 else "miss"},
    }


def test_summary_adds_up() -> None:
    answers = [
        answer("simple", "score", 10.0),
        answer("simple", "score,provider_fallback", 50.0),
        answer("frontier", "domain_rule", 30.0, before="opening"),
        answer("", "", 5.0, error="APIError"),
    ]
    records = [
        record("simple", 1.0, 10.0),
        record("simple", 2.0, 20.0),
        record("frontier", 30.0, 30.0, escalated_to="frontier"),
        record("frontier", None, None),
        record("simple", 0.0, 5.0),
        record("medium", None, None, status="error"),
    ]
    assert summarise(answers, records).escalated == 1
    assert summarise(answers, records).cached == 1
    assert summarise(answers, records).as_json() == {
        "requests": 5,
        "failed": 1,
        "tiers": {"frontier": 2, "simple": 3},
        "cost": 33.0,
        "frontier_cost": 65.0,
        "saved": 32.0,
        "failover_ms": 50.0,
    }
    assert typical_ms(answers, "simple") == 10.0
    assert typical_ms(answers, "medium") is None


def test_prompts_are_about_sixty_and_sent_in_every_form() -> None:
    prompts = demo_prompts()
    assert 55 <= len(prompts) <= 70
    asked_twice = {p.prompt for p in prompts if sum(other.prompt == p.prompt for other in prompts) > 1}
    assert asked_twice == {"What is the capital of Australia?"}
    forms = {p.form for p in prompts}
    assert forms >= {"plain", "stream", "tools", "json", "image", "follow_up", "messages", "responses", "completion"}
    assert all(p.before for p in prompts if p.form == "follow_up")


def test_simulated_configuration_changes_addresses_and_nothing_else() -> None:
    given = yaml.safe_load((bundle_root() / CONFIG).read_text(encoding="utf-8"))
    before = json.dumps(given)
    changed = simulate_providers(given, "http://127.0.0.1:1", lambda model: {})
    assert json.dumps(given) == before
    for old, new in zip(given["model_list"], changed["model_list"], strict=True):
        if old["model_name"] == "cache-hit":
            assert new == old
            continue
        assert new["model_name"] == old["model_name"]
        assert new["litellm_params"]["api_base"].startswith("http://127.0.0.1:1/")
        assert new["litellm_params"]["api_key"] == "simulated"
        kept = {"order", "timeout", "input_cost_per_token", "output_cost_per_token"}
        assert {k: new["litellm_params"][k] for k in kept} == {k: old["litellm_params"][k] for k in kept}
    assert changed["router_settings"] == given["router_settings"]
    assert changed["litellm_settings"] == given["litellm_settings"]


def test_missing_variables_are_named_once_and_comments_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRESENT", "x")
    monkeypatch.delenv("ABSENT", raising=False)
    text = "a: os.environ/PRESENT\nb: [os.environ/ABSENT]\n# c: os.environ/COMMENTED\nd: 'os.environ/ABSENT'\n"
    (path := tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert missing_variables(path) == ["ABSENT"]
    path.write_text("a: [", encoding="utf-8")
    assert missing_variables(path) == []


def test_serving_without_keys_names_them_and_offers_the_demo() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.endswith("_API_BASE")}
    environment.pop("LITELLM_MASTER_KEY", None)
    done = subprocess.run(
        [sys.executable, "-m", "custom_router.demo.serve"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    for name in ("DEEPSEEK_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "LITELLM_MASTER_KEY"):
        assert name in done.stderr
    assert "scripts/demo" in done.stderr


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("command", [["demo", "--exit"], ["demo.serve", "--simulated"], ["demo.serve"]])
def test_a_taken_port_is_named_and_nothing_is_started(command: list[str], taken: int, tmp_path: Path) -> None:
    """LiteLLM itself would move from 4000 to another port, and what answers here would be taken for it."""
    config = tmp_path / "given" / CONFIG
    config.parent.mkdir()
    config.write_text("model_list: []\n", encoding="utf-8")
    given = [] if command[0] == "demo" else ["--config", str(config)]
    done = subprocess.run(
        [sys.executable, "-m", f"custom_router.{command[0]}", *command[1:], *given, "--port", str(taken)],
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    told = " ".join((done.stdout + done.stderr).split())
    assert f"port {taken} cannot be used" in told
    assert "--port 0" in told
    assert not (tmp_path / "var").exists()


def test_a_folder_with_a_configuration_of_somebodys_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("mine", encoding="utf-8")
    stack = Stack(bundle_root() / CONFIG, bundle_root() / POLICY, tmp_path)
    with pytest.raises(StackError, match="--workdir"):
        stack.__enter__()
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]
    assert (tmp_path / CONFIG).read_text(encoding="utf-8") == "mine"


def test_the_policy_is_the_named_one_then_the_one_beside_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[Path, Path]] = []

    def note(stack: Stack) -> None:
        seen.append((stack.config, stack.policy))

    monkeypatch.setattr("custom_router.demo.serve._serve_simulated", note)
    shipped = bundle_root() / POLICY
    paths = {}
    for name in ("alone", "beside", "named", "in the environment"):
        folder = tmp_path / name
        folder.mkdir()
        paths[name] = folder / POLICY
        shutil.copy(shipped.parent / CONFIG, folder)
        if name != "alone":
            shutil.copy(shipped, folder)
    monkeypatch.delenv("TIER_ROUTER_POLICY", raising=False)
    cli, beside = CliRunner(), str(paths["beside"].parent / CONFIG)
    assert cli.invoke(app, ["--simulated"]).exit_code == 0
    assert cli.invoke(app, ["--simulated", "--config", beside]).exit_code == 0
    alone = cli.invoke(app, ["--simulated", "--config", str(paths["alone"].parent / CONFIG)])
    assert "using the shipped one" in alone.output
    monkeypatch.setenv("TIER_ROUTER_POLICY", str(paths["in the environment"]))
    assert cli.invoke(app, ["--simulated", "--config", beside]).exit_code == 0
    assert cli.invoke(app, ["--simulated", "--config", beside, "--policy", str(paths["named"])]).exit_code == 0
    expected = [shipped, paths["beside"], shipped, paths["in the environment"], paths["named"]]
    assert [policy for _, policy in seen] == expected


def test_the_real_proxy_is_given_the_same_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("model_list: []\n", encoding="utf-8")
    shutil.copy(bundle_root() / POLICY, tmp_path)
    monkeypatch.setenv("TIER_ROUTER_POLICY", "")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    config = str(tmp_path / CONFIG)
    assert CliRunner().invoke(app, ["--config", config, "--port", str(free_port())]).exit_code == 0
    assert os.environ["TIER_ROUTER_POLICY"] == str(tmp_path / POLICY)
    assert started[0][1:3] == ["--config", config]


def test_the_demo_runs_to_its_end(tmp_path: Path) -> None:
    """All 60 prompts through the real proxy, one provider killed halfway; the last line is the summary.

    In a folder with records of something else, and with a master key of the reader's own.
    """
    (records := tmp_path / "var" / "records").mkdir(parents=True)
    (kept := records / "decisions-of-another-run.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "var" / "mine.txt").touch()
    done = subprocess.run(
        [sys.executable, "-m", "custom_router.demo", "--exit", "--port", "0", "--workdir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "LITELLM_MASTER_KEY": "sk-of-the-reader", "COLUMNS": "200"},
    )  # fmt: skip
    assert (tmp_path / "var" / "mine.txt").exists()
    assert kept.read_text(encoding="utf-8") == "{}\n"
    kept.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    assert list(summary) == ["requests", "failed", "tiers", "cost", "frontier_cost", "saved", "failover_ms"]
    assert summary["failed"] == 0
    assert sum(summary["tiers"].values()) == summary["requests"]
    assert 0 < summary["cost"] < summary["frontier_cost"]
    assert summary["saved"] == pytest.approx(summary["frontier_cost"] - summary["cost"], abs=1e-5)
    assert summary["failover_ms"] > 0
    segments = list((tmp_path / "var" / "records").glob("*.jsonl"))
    lines = [json.loads(line) for segment in segments for line in segment.read_bytes().splitlines()]
    assert len(lines) == summary["requests"]
    # Every answer's row says what it cost and saved.
    cheap = next(line for line in lines if line["cost"]["saved"] and line["cost"]["saved"] > 0.00001)
    assert f"${cheap['cost']['total']:.5f}" in done.stdout
    assert f"${cheap['cost']['saved']:.5f}" in done.stdout
    assert "sk-of-the-reader" not in done.stdout
    # Asked again, and asked in other words; not what is asked of another country.
    hits = [line for line in lines if line["cache"]["status"] == "hit"]
    assert [line["cache"]["kind"] for line in hits] == ["exact", "semantic"]
    assert {line["cost"]["total"] for line in hits} == {0.0}
    assert "2 questions asked again and answered at no cost" in done.stdout


def test_serve_simulated_says_ready_and_stops_on_a_signal(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "custom_router.demo.serve", "--simulated", "--port", str(port)]
    environment = {k: v for k, v in os.environ.items() if k != "LITELLM_MASTER_KEY"}
    child = subprocess.Popen(
        [*command, "--workdir", str(tmp_path), "--latency-scale", "0"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready"
        response = httpx.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            headers={"Authorization": "Bearer sk-local"},
            json={"model": "auto", "messages": [{"role": "user", "content": "Say hi."}]},
            timeout=60,
        )
        assert response.status_code == 200
        assert response.headers["x-router-tier"]
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        child.stdout.close()
