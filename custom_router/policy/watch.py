"""A policy file that may be edited while the proxy runs: a good edit applies, a bad one is refused and reported."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from custom_router import metrics
from custom_router.policy.identity import Identity, identity
from custom_router.policy.load import Finding, Policy, PolicyError
from custom_router.policy.overrides import Overrides

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
    """Keeps the last good policy of one file and the overrides that it may name. `install` is called with each new
    policy and may refuse it by raising `PolicyError`; the old one then stays. A policy is new too when an artifact that
    it names has been replaced.

    Polls the file's identity rather than waiting for file events, which network mounts and Kubernetes ConfigMaps
    (a swapped symbolic link) do not deliver reliably.
    """

    def __init__(self, path: str | Path, install: Callable[[Policy], None], *, fallback: Policy | None = None) -> None:
        """Load the file. Where it cannot be used, `fallback` serves until it can; without one, raises `PolicyError`."""
        self._path = Path(path)
        self._install = install
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._named: tuple[Path, ...] = ()
        self._seen = self._identities()
        refused: list[Finding] = []
        try:
            self.policy = self._load()
            install(self.policy)
        except Exception as error:
            # With a fallback, nothing about a file may stop the proxy.
            if fallback is None:
                raise
            self.policy, refused = fallback, self._reasons(error)
            install(fallback)
        self._tell: Callable[[Policy, str], None] | None = None
        self.status = PolicyStatus(self.policy.version, self.policy.source, _now())
        metrics.policy_loaded(self.policy.version)
        if refused:
            self._refuse(refused)

    def tell(self, listener: Callable[[Policy, str], None]) -> None:
        """Have the watching thread tell of the policy in force, and of each later one, with the time of its loading."""
        self._tell = listener

    def start(self) -> None:
        """Watch from a daemon thread until `close`."""
        threading.Thread(target=self._watch, name="tier-router-policy", daemon=True).start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()

    def _watch(self) -> None:
        self._told(self.policy)
        while not self._stop.wait(POLL_SECONDS):
            self.check()

    def check(self) -> None:
        """Look at the file once; load it if it changed. Never raises."""
        with self._lock:
            seen = self._identities()
            if seen == self._seen:
                return
            self._seen = seen
            try:
                policy = self._load()
                if policy.key == self.policy.key and not self.status.findings:
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
        self._told(policy)

    def _told(self, policy: Policy) -> None:
        if self._tell is None:
            return
        try:
            self._tell(policy, self.status.loaded_at)
        except Exception:  # a watcher that dies would freeze the policy silently
            logger.exception("policy %s is in force, and could not be told of", policy.version)

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

    def _load(self) -> Policy:
        try:
            policy = Policy.load(self._path)
        except PolicyError as error:
            self._watch_beside(error.overrides)
            raise
        # Those of a policy that is refused for its artifact too: mending the artifact must be noticed.
        self._watch_beside(policy.overrides, policy.named_files(), policy.artifacts)
        return policy

    def _watch_beside(
        self,
        overrides: Overrides | None,
        named: tuple[Path, ...] = (),
        artifacts: tuple[Identity | None, ...] = (),
    ) -> None:
        """Which files are looked at besides the policy's own, and what they were when they were read."""
        if overrides is not None:
            named, artifacts = (overrides.path, *named), (overrides.seen, *artifacts)
        self._named = named
        self._seen = (self._seen[0], *artifacts)

    def _identities(self) -> tuple[Identity | None, ...]:
        return identity(self._path), *map(identity, self._named)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
