"""`deploy/` against the repository: its files exist, its names are read by something, its parts run where they can."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from custom_router.demo.deployed import SIMULATOR_URL, deployed
from custom_router.demo.stack import Stack, StackError, free_port
from custom_router.policy import Policy
from custom_router.simulator.__main__ import main as simulator_main
from tests.cache.redis_server import RedisServer
from tests.e2e.conftest import Proxy, wait_until

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
LOCAL_MODELS = {"classifier", "tier-8b", "tier-70b"}
EXAMPLE = dict(
    line.split("=", 1)
    for line in (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def texts(value: Any) -> Iterator[str]:
    """Every text in a parsed YAML value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def command(service: str) -> list[str]:
    return [str(word) for word in SERVICES[service]["command"]]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"SKIPPED for want of {name}: on Debian scripts/test installs it")
    return found


def test_what_follows_from_the_shipped_files_is_up_to_date() -> None:
    for name, text in deployed(ROOT).items():
        assert (DEPLOY / name).read_text(encoding="utf-8") == text, f"{name}: python -m custom_router.demo.deployed"


@pytest.mark.parametrize("profile", [(), ("--profile", "gpu"), ("--profile", "tier-8b")])
def test_compose_reads_its_file(profile: tuple[str, ...]) -> None:
    filled = {name: value or f"sk-{name.lower()}" for name, value in EXAMPLE.items()}
    called = [program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), *profile]
    environment = {"PATH": os.environ["PATH"], **filled}
    told = subprocess.run([*called, "config", "--services"], env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    expected = {"proxy", "simulator", "postgres", "redis", "prometheus", "alertmanager", "grafana"}
    assert expected <= set(told.stdout.split())


def test_without_its_secrets_compose_does_not_start() -> None:
    called = [program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    told = subprocess.run(called, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert told.returncode != 0
    assert "deploy/.env" in told.stderr


def test_only_local_models_need_a_profile() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" in service} == LOCAL_MODELS
    assert all("gpu" in SERVICES[name]["profiles"] for name in LOCAL_MODELS)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_pinned_image_a_health_check_and_no_port_for_the_world(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+[\w.-]*$", service["image"]), service["image"]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    for port in service.get("ports", ()):
        assert port.startswith(("127.0.0.1:", "${BIND:-127.0.0.1}:")), port
    assert all("sk-" not in text for text in texts(service))


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_is_there(name: str) -> None:
    for mount in SERVICES[name].get("volumes", ()):
        source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", mount).split(":")[0]
        if source.startswith("."):
            assert (DEPLOY / source).exists(), mount
        else:
            assert source in COMPOSE["volumes"], mount


def test_every_variable_has_its_line_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    shown = set(
        re.findall(r"^(?:# )?([A-Z_0-9]+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert asked == shown
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert all(EXAMPLE[name] == "" for name in required), "a secret with a default is no secret"


def test_the_proxys_environment_is_read_by_something() -> None:
    ours = [path for folder in ("custom_router", "hooks") for path in (ROOT / folder).rglob("*.py")]
    ours += [ROOT / "litellm_config.yaml", DEPLOY / "policy" / "routing_policy.yaml"]
    read = "\n".join(path.read_text(encoding="utf-8") for path in ours)
    import litellm

    folder = Path(litellm.__file__).parent
    theirs = [folder / "proxy" / name for name in ("proxy_cli.py", "proxy_server.py")]
    theirs += [folder / "proxy" / "common_utils" / "encrypt_decrypt_utils.py"]
    read += "\n".join(path.read_text(encoding="utf-8") for path in theirs)
    for name in SERVICES["proxy"]["environment"]:
        assert re.search(rf"\b{name}\b", read), name


def test_the_proxys_configuration_finds_its_environment() -> None:
    """The shipped configuration, what is commented out in it too, names nothing that compose does not set."""
    named = set(re.findall(r"os\.environ/(\w+)", (ROOT / "litellm_config.yaml").read_text(encoding="utf-8")))
    named |= set(
        re.findall(r"os\.environ/(\w+)", (DEPLOY / "policy" / "routing_policy.yaml").read_text(encoding="utf-8"))
    )
    assert named - {"NAME"} <= set(SERVICES["proxy"]["environment"])


def test_commands_have_options_that_exist() -> None:
    from litellm.proxy.proxy_cli import run_server

    simulator = typer.Typer()
    simulator.command()(simulator_main)
    known = {
        "proxy": {option for parameter in run_server.params for option in parameter.opts},
        "simulator": {o for parameter in typer.main.get_command(simulator).params for o in parameter.opts},
    }
    for service, options in known.items():
        assert {word for word in command(service) if word.startswith("--")} <= options
    unit = (DEPLOY / "tier-router.service").read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    assert {word for word in shlex.split(started) if word.startswith("--")} <= known["proxy"]


def test_services_call_each_other_by_name_and_port() -> None:
    simulated = (DEPLOY / "simulated" / "litellm_config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[\w.:-]+", simulated)) == {SIMULATOR_URL}
    assert f"http://simulator:{command('simulator')[command('simulator').index('--port') + 1]}" == SIMULATOR_URL
    (scrape,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": ["proxy:4000"]}]
    assert scrape["metrics_path"] == "/router/metrics"
    assert scrape["authorization"]["credentials_file"] in SERVICES["prometheus"]["entrypoint"][2]
    provisioned = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    (source,) = yaml.safe_load(provisioned.read_text(encoding="utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    for text in texts(SERVICES["proxy"]["environment"]):
        for host in re.findall(r"(?:@|http://)([a-z0-9-]+):\d+", text):
            assert host in SERVICES, text


def test_local_models_are_those_of_the_configuration() -> None:
    config = (ROOT / "litellm_config.yaml").read_text(encoding="utf-8")
    for service in ("tier-8b", "tier-70b"):
        assert f"hosted_vllm/{command(service)[1]}" in config
    script = (ROOT / "scripts" / "serve-classifier").read_text(encoding="utf-8")
    assert "--served-model-name tier-router-classifier" in script
    asked = dict(re.findall(r"(--max-[\w-]+) (\d+)", script))
    given = command("classifier")
    assert {option: given[given.index(option) + 1] for option in asked} == asked
    assert Policy.load(DEPLOY / "policy" / "routing_policy.yaml").document.classifier.vllm.model in given


def test_all_local_models_fit_on_their_gpus_together() -> None:
    """As shipped: each on as many GPUs as it is spread over, and no GPU promised to more than it has memory for."""
    taken: Counter[str] = Counter()
    for name in LOCAL_MODELS:
        (devices,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
        asked = [re.fullmatch(r"\$\{(\w+):-(\d+)\}", device) for device in devices["device_ids"]]
        assert all(match and EXAMPLE[match[1]] == match[2] for match in asked)
        words = command(name)
        spread = int(words[words.index("--tensor-parallel-size") + 1]) if "--tensor-parallel-size" in words else 1
        gpus = {match[2] for match in asked if match}
        assert len(gpus) == len(asked) == spread
        taken.update(dict.fromkeys(gpus, round(100 * float(words[words.index("--gpu-memory-utilization") + 1]))))
    assert max(taken.values()) <= 90


def test_the_image_copies_what_there_is_and_runs_as_nobody_of_note() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in allowed, source
    for tag in re.findall(r"^ARG PYTHON=(\S+)", text, re.MULTILINE):
        assert re.fullmatch(r"3\.1[123]\.\d+-slim-\w+", tag)
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert last.index("USER 10001") < last.index("CMD")
    assert "torch" not in re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    assert re.search(r'^ARG EXTRAS=""$', text, re.MULTILINE)
    tested = (ROOT / "tests" / "virtual_keys" / "prepare.sh").read_text(encoding="utf-8")
    assert re.findall(r"prisma==[\d.]+", text) == [re.findall(r"prisma==[\d.]+", tested)[0]]


def test_prometheus_reads_its_file() -> None:
    called = [program("promtool"), "check", "config", "--syntax-only", str(DEPLOY / "prometheus" / "prometheus.yml")]
    told = subprocess.run(called, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "tier-router.service").read_text(encoding="utf-8")
    # `verify` wants the program to be there, which a machine that only tests does not have.
    there = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    unit = tmp_path / "tier-router.service"
    unit.write_text(there, encoding="utf-8")
    told = subprocess.run([program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True)
    assert "tier-router.service" not in told.stdout + told.stderr, told.stderr
    unit.write_text(there.replace("TimeoutStopSec", "TimeoutStopSecs"), encoding="utf-8")
    told = subprocess.run([program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True)
    assert "TimeoutStopSecs" in told.stderr


def test_the_charts_values_name_what_there_is() -> None:
    values = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text(encoding="utf-8"))
    mounted = {mount["name"] for mount in values["volumeMounts"]}
    assert mounted == {volume["name"] for volume in values["volumes"]}
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert f"USER {values['securityContext']['runAsUser']}" in text
    folder = re.search(r"^WORKDIR (/opt/\S+)$", text, re.MULTILINE)
    assert folder is not None
    assert f"{folder[1]}/litellm_config.yaml" in {mount["mountPath"] for mount in values["volumeMounts"]}
    assert values["envVars"]["TIER_ROUTER_POLICY"].startswith("/etc/tier-router/")


def test_the_charts_records_outlive_a_pod_and_are_one_folder_for_all() -> None:
    values = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text(encoding="utf-8"))
    (claim,) = (made for made in values["extraResources"] if made["kind"] == "PersistentVolumeClaim")
    (records,) = (volume for volume in values["volumes"] if volume["name"] == "records")
    assert records["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert values["podSecurityContext"]["fsGroup"] == values["securityContext"]["runAsUser"]
    (mounted,) = (mount["mountPath"] for mount in values["volumeMounts"] if mount["name"] == "records")
    policy = Policy.load(DEPLOY / "policy" / "routing_policy.yaml").document
    folder = re.search(r"^WORKDIR (/opt/\S+)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert folder is not None
    assert f"{folder[1]}/{policy.records.directory}".startswith(f"{mounted}/")


class DeployedStack(Stack):
    """The default profile's parts on this machine: the simulator's own settings, the proxy's own configuration."""

    def _start_simulator(self) -> None:
        port = str(free_port())
        words = [*command("simulator")[1:], "--latency-scale", "0"]
        local = {"0.0.0.0": "127.0.0.1", "9000": port, "/etc/simulator.yaml": str(DEPLOY / "simulated/simulator.yaml")}
        child = self._spawn("simulator", [sys.executable, *(local.get(word, word) for word in words)], {}, pipe=True)
        assert child.stdout is not None
        line = child.stdout.readline().decode().strip()
        if not line.startswith("simulator ready "):
            raise StackError(self._tail("simulator"))
        self.simulator_url = line.removeprefix("simulator ready ")
        text = self.config.read_text(encoding="utf-8").replace(SIMULATOR_URL, self.simulator_url)
        (self.workdir / "litellm_config.yaml").write_text(text, encoding="utf-8")
        shutil.copytree(ROOT / "hooks", self.workdir / "hooks")


def test_the_default_profiles_parts_serve(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path, "--requirepass", "secret")
    try:
        url = redis.url.replace("redis://", "redis://:secret@")
        config, policy = DEPLOY / "simulated" / "litellm_config.yaml", DEPLOY / "policy" / "routing_policy.yaml"
        with DeployedStack(config, policy, tmp_path / "work", extra_env={"REDIS_URL": url}) as stack:
            proxy = Proxy(stack)
            response = proxy.chat("Give me a synonym for glad.")
            assert response.status_code == 200
            assert response.headers["x-router-tier"] in ("simple", "medium", "frontier")
            wait_until(lambda: proxy.health()["cache"]["connected"], 60)
            assert proxy.http.get("/router/metrics").status_code == 200
    finally:
        redis.close()
