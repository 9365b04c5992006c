"""Alerts, their pages, where they are sent, and the dashboard: read by the programs that they are for."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from custom_router import metrics
from tests.deploy.dashboards import DASHBOARDS, DEPLOY, RULES, alerts, asked, panels, queries
from tests.deploy.test_deploy import COMPOSE, ROOT, SERVICES, program

RUNBOOK = ROOT / "docs" / "runbook"
EXPRESSIONS = [alert["expr"] for alert in alerts()] + [query for given in queries().values() for query in given]


def run(*command: str, **options: object) -> str:
    told = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert told.returncode == 0, told.stdout + told.stderr
    return str(told.stdout)


def labels_by_metric() -> dict[str, set[str]]:
    """What the code declares, by the name that is exposed."""
    found = {}
    for collector in vars(metrics).values():
        if hasattr(collector, "_labelnames") and (family := next(iter(collector.describe()), None)):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = set(collector._labelnames)
    return found


def test_prometheus_reads_the_rules() -> None:
    assert f"{len(alerts())} rules found" in run(program("promtool"), "check", "rules", str(RULES))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    run(program("promtool"), "test", "rules", "rules_test.yml", cwd=RULES.parent)


def test_every_alert_has_a_series_on_which_it_fires_and_one_on_which_it_does_not() -> None:
    tests = yaml.safe_load((RULES.parent / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    names = {alert["alert"] for alert in alerts()}
    for kind in ("bad", "good"):
        assert {test["name"].removesuffix(f", {kind}") for test in tests if test["name"].endswith(f", {kind}")} == names


def test_every_alert_has_its_page_with_what_to_do() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(([\w-]+\.md)\) \| (\w+) \|", (RUNBOOK / "index.md").read_text(), re.MULTILINE)
    told = [(alert["alert"], alert["annotations"]["runbook_url"], alert["labels"]["severity"]) for alert in alerts()]
    assert sorted((name, page, severity) for name, page, severity in listed) == sorted(
        (name, url.rpartition("/")[2], severity) for name, url, severity in told
    )
    assert {path.name for path in RUNBOOK.glob("*.md")} == {page for _, page, _ in listed} | {"index.md"}
    for name, url, severity in told:
        assert "/blob/main/docs/runbook/" in url
        assert severity in ("critical", "warning", "info")
        text = (RUNBOOK / url.rpartition("/")[2]).read_text(encoding="utf-8")
        assert re.findall(r"^#+ .+$", text, re.MULTILINE) == [
            f"# {name}", "## What it means", "## What to look at", "## What to do",
        ]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_declared_with_its_labels(expression: str) -> None:
    known = labels_by_metric()
    found = list(asked(expression))
    assert found or expression.startswith("up{")
    for name, labels in found:
        assert labels <= known[name], name


def test_most_metrics_are_shown_or_watched() -> None:
    """What nobody looks at is not worth a series."""
    used = {name for expression in EXPRESSIONS for name, _ in asked(expression)}
    assert labels_by_metric().keys() - used == {"tier_router_vllm_seconds"}


def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"q:{n}", "expr": query} for n, query in enumerate(q for g in queries().values() for q in g)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in run(program("promtool"), "check", "rules", str(file))


def test_the_dashboard_is_provisioned_and_its_panels_do_not_overlap() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "tier-router.yaml").read_text())["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    assert DASHBOARDS
    taken: Counter[tuple[int, int]] = Counter()
    for panel in panels():
        assert panel["datasource"]["uid"] == source["uid"]
        assert all(target["datasource"]["uid"] == source["uid"] for target in panel["targets"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        taken.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
    assert set(taken.values()) == {1}
    assert len({panel["id"] for panel in panels()}) == len(list(panels()))


@pytest.mark.parametrize("url", ["", "https://hooks.example.com/T0/B0?token=a&to=b%20c"])
def test_alertmanager_reads_what_its_entrypoint_makes_of_its_file(url: str, tmp_path: Path) -> None:
    """The service's own entrypoint, its folders and its last step replaced."""
    given = tmp_path / "given"
    given.mkdir()
    (given / "alertmanager.yml").write_bytes((DEPLOY / "alertmanager" / "alertmanager.yml").read_bytes())
    script = SERVICES["alertmanager"]["entrypoint"][2].replace("$$", "$").replace("/etc/alertmanager", str(given))
    script = script.replace("/tmp/alertmanager.yml", str(tmp_path / "made.yml")).replace("exec alertmanager", "echo")
    said = run(
        "sh", "-c", script, "alertmanager", "--config.file", env={"ALERT_WEBHOOK_URL": url, "PATH": "/usr/bin:/bin"}
    )
    assert said.strip() == "--config.file"
    made = tmp_path / "made.yml"
    assert made.stat().st_mode & 0o077 == 0
    (receiver,) = yaml.safe_load(made.read_text(encoding="utf-8"))["receivers"]
    assert [hook["url"] for hook in receiver.get("webhook_configs", ())] == ([url] if url else [])
    run(program("amtool"), "check-config", str(made))


def test_prometheus_finds_its_rules_and_alertmanager() -> None:
    config = yaml.safe_load((RULES.parent / "prometheus.yml").read_text(encoding="utf-8"))
    mounted = {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES["prometheus"]["volumes"]}
    assert [(DEPLOY / mounted["/etc/prometheus"] / Path(file).name) for file in config["rule_files"]] == [RULES]
    (target,) = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert f"127.0.0.1:{target.rpartition(':')[2]}:{target.rpartition(':')[2]}" in SERVICES["alertmanager"]["ports"]
    assert target.rpartition(":")[0] in COMPOSE["services"]
    assert all('job="tier-router"' in a["expr"] or "tier_router_" in a["expr"] for a in alerts())
    assert [scrape["job_name"] for scrape in config["scrape_configs"]] == ["tier-router"]
