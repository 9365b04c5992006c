"""A policy file that may be edited while the proxy runs: a good edit applies, a bad one is refused and reported."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from custom_router import metrics
from custom_router.policy.load import Finding, Policy, PolicyError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """What `/router/health` says of the policy. `findings` is empty unless the file on disk was refused."""

    version: str
    source: str
    loaded_at: str
    reloads: int = 0
    failures: int = 0
    findings: tuple[Finding, ...] = field(default_factory=tuple)


class PolicyWatcher:
    """Keeps the last good policy of one file. `install` is called with each new policy and may refuse it by raising
    `PolicyError`; the old one then stays.

    Polls the file's identity rather than waiting for file events, which network mounts and Kubernetes ConfigMaps
    (a swapped symbolic link) do not deliver reliably.
    """

    def __init__(self, path: str | Path, install: Callable[[Policy], None], *, fallback: Policy | None = None) -> None:
        """Load the file. Where it cannot be used, `fallback` serves until it can; without one, raises `PolicyError`."""
        self._path = Path(path)
        self._install = install
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._seen = self._identity()
        refused: list[Finding] = []
        try:
            self.policy = Policy.load(self._path)
            install(self.policy)
        except Exception as error:
            # With a fallback, nothing about a file may stop the proxy.
            if fallback is None:
                raise
            self.policy, refused = fallback, self._reasons(error)
            install(fallback)
        self.status = PolicyStatus(self.policy.version, self.policy.source, _now())
        metrics.policy_loaded(self.policy.version)
        if refused:
            self._refuse(refused)

    def start(self) -> None:
        """Watch from a daemon thread until `close`."""
        threading.Thread(target=self._watch, name="tier-router-policy", daemon=True).start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self.check()

    def check(self) -> None:
        """Look at the file once; load it if it changed. Never raises."""
        with self._lock:
            identity = self._identity()
            if identity == self._seen:
                return
            self._seen = identity
            try:
                policy = Policy.load(self._path)
                if policy.version == self.policy.version and not self.status.findings:
                    return
                self._install(policy)
            except Exception as error:  # noqa: BLE001 - a watcher that dies would freeze the policy silently
                self._refuse(self._reasons(error))
            else:
                self._accept(policy)

    def _accept(self, policy: Policy) -> None:
        self.policy = policy
        status = self.status
        self.status = PolicyStatus(policy.version, policy.source, _now(), status.reloads + 1, status.failures)
        metrics.policy_loaded(policy.version)
        logger.info("policy %s loaded from %s", policy.version, policy.source)

    def _refuse(self, findings: list[Finding]) -> None:
        status = self.status
        self.status = PolicyStatus(
            status.version, status.source, status.loaded_at, status.reloads, status.failures + 1, tuple(findings)
        )
        metrics.POLICY_RELOAD_FAILURES.inc()
        for finding in findings:
            logger.error("policy edit refused, %s stays in force: %s", status.version, finding)

    def _reasons(self, error: Exception) -> list[Finding]:
        if isinstance(error, PolicyError):
            return error.findings
        logger.error("policy could not be applied", exc_info=error)
        return [Finding(str(self._path), 0, "", f"could not be applied: {error!r}")]

    def _identity(self) -> tuple[int, int, int, int] | None:
        try:
            stat = self._path.stat()
        except (OSError, ValueError):
            return None
        # The change time too: mending a file's permissions, or restoring an old copy with its dates, moves only that.
        return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
