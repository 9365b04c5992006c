"""A real Prometheus that scrapes a proxy of the tests'."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
import yaml

from custom_router.demo.stack import Stack, free_port

MISSING = "SKIPPED for want of prometheus: apt-get install prometheus"


class PrometheusServer:
    """One server on a free port, scraping once a second with the proxy's key. Use as a context manager."""

    def __init__(self, stack: Stack, folder: Path, rules: Path) -> None:
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip(MISSING)
        folder.mkdir()
        scrape = {
            "job_name": "tier-router",
            "metrics_path": "/router/metrics",
            "authorization": {"credentials": stack.master_key},
            "static_configs": [{"targets": [stack.url.removeprefix("http://")]}],
        }
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        port = free_port()
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def ready(self) -> bool:
        """Whether it has started."""
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now, each `{"metric": labels, "value": [time, text]}`."""
        told = self._http.get("/api/v1/query", params={"query": expression}).json()
        assert told["status"] == "success", (expression, told)
        return list(told["data"]["result"]) if told["data"]["resultType"] == "vector" else [told["data"]]

    def value(self, expression: str) -> float:
        """The one number that an expression has now; NaN for none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else float("nan")

    def alerts(self) -> set[str]:
        """Names of the alerts that are pending or firing."""
        return {alert["labels"]["alertname"] for alert in self._http.get("/api/v1/alerts").json()["data"]["alerts"]}

    def unhealthy_rules(self) -> list[str]:
        """Rules that could not be evaluated, with the error."""
        groups = self._http.get("/api/v1/rules").json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert rules
        return [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"]
