"""docs/deploy.md followed, from the bundle to a request with a key of one of two teams.

Its own commands, with another folder and other ports; left out is what needs the whole machine: packages, users,
systemd. Another engine stands in for Prisma's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from custom_router.demo.stack import free_port
from tests.cache.redis_server import RedisServer
from tests.docs.documents import blocks
from tests.e2e.conftest import ROOT, wait_until
from tests.virtual_keys.database import missing, postgres, prepare

SHELL = [block.text for block in blocks("sh") if block.page == "deploy.md"]
(KEYS,) = [block.text for block in blocks("yaml keys") if block.page == "deploy.md"]
WHOLE_MACHINE = ("chown ", "systemctl ", "cp deploy/tier-router.service", "systemd-run ")


def block_with(text: str) -> list[str]:
    """The commands of the page's one `sh` block that holds a text, continued lines joined."""
    (found,) = [block for block in SHELL if text in block]
    return [line for line in found.replace("\\\n", " ").splitlines() if line.strip()]


@contextmanager
def running(command: list[str], cwd: Path, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield child
        finally:
            child.terminate()
            child.wait(60)


def test_the_page_leads_to_keys_of_two_teams(tmp_path: Path) -> None:
    if absent := missing():
        pytest.skip(f"real virtual keys need {', '.join(absent)}: apt-get install postgresql nodejs npm")
    prepared = ROOT / "var" / "virtual-keys"
    environment = {**os.environ, **prepare(prepared)}
    simulator, proxy = free_port(), free_port()

    def here(line: str) -> str:
        line = line.replace("/srv/tier-router/app", str(tmp_path / "app")).replace(
            "localhost:4000", f"localhost:{proxy}"
        )
        return line.replace(".venv/bin/", f"{Path(sys.executable).parent}/").replace(
            "127.0.0.1:9000", f"127.0.0.1:{simulator}"
        )

    def shell(*lines: str, **more: str) -> str:
        script = "set -euo pipefail\n" + "\n".join(map(here, lines))
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env={**environment, **more}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    bundle = block_with("tier-router init")
    shell(*(line for line in bundle if not line.strip().startswith(WHOLE_MACHINE)))
    (started,) = [line for line in bundle if line.startswith("systemd-run")]
    words = shlex.split(started.replace("$PWD", str(ROOT)))
    simulated = words[words.index("-m") :]
    simulated[simulated.index("--port") + 1] = str(simulator)
    unit = (ROOT / "deploy" / "tier-router.service").read_text(encoding="utf-8")
    (served,) = re.findall(r"^ExecStart=\S+/litellm (.+)$", unit, re.MULTILINE)
    server = [str(Path(sys.executable).parent / "litellm"), *shlex.split(served)]
    server[server.index("--port") + 1] = str(proxy)
    (tmp_path / "metrics").mkdir()
    redis = RedisServer(tmp_path)
    try:
        with postgres(prepared / "migrations.sql") as database:
            secrets = {
                "LITELLM_MASTER_KEY": "sk-of-the-page", "LITELLM_SALT_KEY": "sk-salt", "DATABASE_URL": database,
                "REDIS_URL": redis.url, "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
            }  # fmt: skip
            env_file = "\n".join(block_with("cat >/etc/tier-router.env"))
            assert set(secrets) & set(re.findall(r"^([A-Z_]+)=", env_file, re.MULTILINE)) == {
                "LITELLM_MASTER_KEY", "LITELLM_SALT_KEY", "DATABASE_URL", "REDIS_URL",
            }  # fmt: skip
            with (
                running([sys.executable, *simulated], ROOT, environment, tmp_path / "simulator.log"),
                running(server, tmp_path / "app", {**environment, **secrets}, tmp_path / "proxy.log"),
            ):
                admin = {"Authorization": "Bearer sk-of-the-page"}
                health = f"http://localhost:{proxy}/router/health"

                def healthy() -> bool:
                    try:
                        told = httpx.get(health, headers=admin, timeout=10)
                    except httpx.TransportError:
                        return False
                    return told.status_code == 200 and told.json()["status"] == "ok"

                wait_until(healthy, 180)
                (tmp_path / "keys.yaml").write_text(KEYS, encoding="utf-8")
                plan, apply, _, ask = block_with("keys apply")
                apart = {"LITELLM_PROXY_URL": f"http://localhost:{proxy}", "LITELLM_MASTER_KEY": "sk-of-the-page"}
                to = {"keys.yaml": tmp_path / "keys.yaml", "new_keys.jsonl": tmp_path / "new_keys.jsonl"}
                for name, path in to.items():
                    plan, apply = plan.replace(f" {name}", f" {path}"), apply.replace(f" {name}", f" {path}")
                shell(plan, **apart)
                shell(apply, **apart)
                made = [json.loads(line) for line in (tmp_path / "new_keys.jsonl").read_text("utf-8").splitlines()]
                assert len(made) == 2
                for key in made:
                    told = shell(ask, KEY=key["key"])
                    assert "x-router-tier:" in told
                with pytest.raises(AssertionError):  # a key that is none gets no such header
                    shell(ask, KEY="sk-none")
    finally:
        redis.close()
