"""A policy file edited under a running proxy."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from custom_router.policy import Finding, Policy, PolicyError
from custom_router.policy.watch import PolicyWatcher

GOOD = """\
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium: {model: tier-medium, threshold: 0.6}
  frontier: {model: tier-frontier}
"""
OTHER = GOOD + "mode: shadow\n"
BAD = GOOD + "mode: fast\n"


class Watched:
    """A watcher, what it installed, and a way to make it refuse or fail."""

    def __init__(self, path: Path, fallback: Policy | None = None) -> None:
        self.path = path
        self.installed: list[str] = []
        self.refuse: Exception | None = None
        self.watcher = PolicyWatcher(path, self.install, fallback=fallback)

    def install(self, policy: Policy) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.installed.append(policy.version)

    def edit(self, text: str) -> None:
        """Replace the file as editors do, and look."""
        beside = self.path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.path)
        self.watcher.check()

    @property
    def messages(self) -> str:
        return "\n".join(map(str, self.watcher.status.findings))


def version(text: str) -> str:
    return Policy.parse(text).version


def refusals() -> float:
    return REGISTRY.get_sample_value("tier_router_policy_reload_failures_total") or 0.0


def in_force(text: str) -> float | None:
    return REGISTRY.get_sample_value("tier_router_policy_info", {"version": version(text)})


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    return Watched(path)


def test_the_first_load_is_no_reload(watched: Watched) -> None:
    status = watched.watcher.status
    assert (status.version, status.reloads, status.failures, status.findings) == (version(GOOD), 0, 0, ())
    assert watched.installed == [version(GOOD)]
    assert status.source == str(watched.path)


def test_an_edit_applies(watched: Watched) -> None:
    watched.edit(OTHER)
    assert watched.watcher.policy.document.mode == "shadow"
    assert (watched.watcher.status.version, watched.watcher.status.reloads) == (version(OTHER), 1)
    assert watched.installed == [version(GOOD), version(OTHER)]
    assert (in_force(OTHER), in_force(GOOD)) == (1.0, None)


def test_an_edit_in_place_of_the_same_size_applies(watched: Watched) -> None:
    watched.path.write_text(GOOD.replace("0.6", "0.7"))
    os.utime(watched.path, ns=(1, 1))
    watched.watcher.check()
    assert watched.watcher.policy.document.tiers.simple.threshold == 0.7


def test_a_copy_that_keeps_size_and_date_applies(watched: Watched) -> None:
    """`rsync --inplace --times` and restored backups write new content under the old size and modification time."""
    before = watched.path.stat()
    watched.path.write_text(GOOD.replace("0.6", "0.8"))
    os.utime(watched.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    watched.watcher.check()
    assert watched.watcher.policy.document.tiers.simple.threshold == 0.8


def test_a_look_without_a_change_does_nothing(watched: Watched) -> None:
    status = watched.watcher.status
    watched.watcher.check()
    watched.path.touch()
    watched.watcher.check()
    assert watched.watcher.status == status
    assert watched.installed == [version(GOOD)]


def test_replacing_an_artifact_that_the_policy_names_applies(watched: Watched) -> None:
    head = watched.path.with_name("head.npz")
    head.write_bytes(b"one")
    watched.edit(f"{GOOD}classifier: {{artifact: head.npz}}\n")
    before = watched.watcher.policy
    watched.watcher.check()
    assert watched.watcher.policy is before
    beside = head.with_suffix(".new")
    beside.write_bytes(b"two")
    beside.replace(head)
    watched.watcher.check()
    after = watched.watcher.policy
    assert after is not before
    assert after.version == before.version
    assert after.key != before.key
    assert watched.watcher.status.reloads == 2


def test_mending_the_artifact_of_a_refused_policy_is_noticed(watched: Watched) -> None:
    watched.refuse = PolicyError([Finding("policy.yaml", 0, "classifier.artifact", "cannot be used")])
    watched.edit(f"{GOOD}classifier: {{artifact: head.npz}}\n")
    assert watched.watcher.policy.version == version(GOOD)
    watched.refuse = None
    watched.path.with_name("head.npz").write_bytes(b"mended")
    watched.watcher.check()
    assert watched.watcher.policy.document.classifier.artifact == "head.npz"
    assert watched.watcher.status.findings == ()


def test_an_invalid_edit_keeps_the_last_good_and_reports(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    before = refusals()
    watched.edit(BAD)
    status = watched.watcher.status
    assert watched.watcher.policy.version == status.version == version(GOOD)
    assert (status.reloads, status.failures, refusals() - before) == (0, 1, 1)
    assert f"{watched.path}:5: mode:" in watched.messages
    assert f"{watched.path}:5: mode:" in caplog.text
    watched.watcher.check()
    assert watched.watcher.status.failures == 1, "one refusal for one edit, not one for each look"


@pytest.mark.parametrize("mended", [GOOD, OTHER])
def test_mending_clears_the_findings(watched: Watched, mended: str) -> None:
    """Also where the mended content is the one in force all along."""
    watched.edit(BAD)
    watched.edit(mended)
    status = watched.watcher.status
    assert (status.version, status.findings, status.failures) == (version(mended), (), 1)


def test_a_second_bad_edit_replaces_the_findings(watched: Watched) -> None:
    watched.edit(BAD)
    watched.edit("")
    assert "is empty" in watched.messages
    assert "mode" not in watched.messages
    assert watched.watcher.status.failures == 2


def test_a_deleted_file_keeps_the_last_good_and_reports(watched: Watched) -> None:
    watched.path.unlink()
    watched.watcher.check()
    watched.watcher.check()
    assert watched.watcher.policy.version == version(GOOD)
    assert "cannot be read" in watched.messages
    assert watched.watcher.status.failures == 1
    watched.edit(GOOD)
    assert watched.watcher.status.findings == ()


def test_a_directory_in_the_files_place_is_reported(watched: Watched) -> None:
    watched.path.unlink()
    watched.path.mkdir()
    watched.watcher.check()
    assert "cannot be read" in watched.messages
    assert watched.watcher.policy.version == version(GOOD)


def test_a_swapped_symbolic_link_applies(tmp_path: Path) -> None:
    """As Kubernetes updates a ConfigMap: policy.yaml → ..data/policy.yaml, and ..data is swapped whole."""
    for name, text in (("v1", GOOD), ("v2", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(text)
        os.utime(tmp_path / name / "policy.yaml", ns=(1, 1))
    data, path = tmp_path / "..data", tmp_path / "policy.yaml"
    data.symlink_to("v1")
    path.symlink_to(Path("..data") / "policy.yaml")
    watched = Watched(path)
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").replace(data)
    watched.watcher.check()
    assert watched.watcher.policy.version == version(OTHER)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (PolicyError([Finding("policy.yaml", 3, "domains.x", "unknown to the model")]), "unknown to the model"),
        (RuntimeError("broken rules"), "broken rules"),
    ],
)
def test_what_the_installer_refuses_does_not_apply(watched: Watched, refusal: Exception, says: str) -> None:
    watched.refuse = refusal
    watched.edit(OTHER)
    assert watched.watcher.policy.version == watched.watcher.status.version == version(GOOD)
    assert says in watched.messages
    watched.refuse = None
    watched.edit(OTHER + "# again\n")
    assert watched.watcher.status.findings == ()


@pytest.mark.parametrize("content", [None, BAD, ""])
def test_without_a_fallback_a_bad_file_stops_the_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PolicyError):
        Watched(path)


@pytest.mark.parametrize("content", [None, BAD, ""])
def test_a_fallback_serves_until_the_file_is_mended(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_text(content)
    watched = Watched(path, fallback=Policy.safe(str(path)))
    assert watched.watcher.policy.version == watched.watcher.status.version == "safe"
    assert watched.messages
    assert watched.watcher.status.failures == 1
    watched.edit(GOOD)
    status = watched.watcher.status
    assert (status.version, status.findings, status.reloads) == (version(GOOD), (), 1)
    assert watched.installed == ["safe", version(GOOD)]


def test_a_fallback_serves_when_the_installer_breaks(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    installed: list[str] = []

    def install(policy: Policy) -> None:
        if policy.version != "safe":
            raise RuntimeError("no room for these rules")
        installed.append(policy.version)

    watcher = PolicyWatcher(path, install, fallback=Policy.safe(str(path)))
    assert installed == ["safe"]
    assert "no room for these rules" in str(watcher.status.findings[0])


def test_the_watching_thread_applies_an_edit_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    applied = threading.Event()

    def install(policy: Policy) -> None:
        if policy.version == version(OTHER):
            applied.set()

    watcher = PolicyWatcher(path, install)
    watcher.start()
    try:
        path.write_text(OTHER)
        assert applied.wait(30)
    finally:
        watcher.close()
