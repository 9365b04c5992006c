"""The overrides file: merged, checked, named in errors, part of the version, watched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from custom_router.check import check_texts
from custom_router.policy import Finding, Policy, PolicyError
from custom_router.policy.watch import PolicyWatcher
from tests.check.check_bundle import CONFIG, OUTSIDE

POLICY = """\
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium: {model: tier-medium, threshold: 0.6}
  frontier: {model: tier-frontier}
domains:
  finance: {rules: {terms: [mortgage]}}
overrides: overrides.yaml
"""
MEDICAL = """\
# Kept by compliance.
domains:
  medical:
    rules: {terms: [insulin]}
"""


class Folder:
    """A policy and its overrides."""

    def __init__(self, path: Path, policy: str = POLICY, overrides: str | None = MEDICAL) -> None:
        self.policy, self.overrides = path / "routing_policy.yaml", path / "overrides.yaml"
        self.policy.write_text(policy)
        if overrides is not None:
            self.overrides.write_text(overrides)

    def load(self) -> Policy:
        return Policy.load(self.policy)

    def findings(self) -> list[Finding]:
        with pytest.raises(PolicyError) as caught:
            self.load()
        return caught.value.findings


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_its_domains_come_after_the_policys_own(folder: Folder) -> None:
    policy = folder.load()
    assert list(policy.document.domains) == ["finance", "medical"]
    assert policy.document.domains["medical"].tier == "frontier"
    assert policy.file_of("medical") == str(folder.overrides)
    assert policy.file_of("finance") == str(folder.policy)


def test_other_parts_of_the_policy_may_name_its_domains(tmp_path: Path) -> None:
    more = "gate: {overrides: [{domain: medical, enabled: false}]}\ncache: {domain_ttl_minutes: {medical: 5}}\n"
    assert Folder(tmp_path, POLICY + more).load().document.cache.domain_ttl_minutes == {"medical": 5}


@pytest.mark.parametrize("name", ["policy", "overrides"])
def test_the_version_covers_both_files(folder: Folder, name: str) -> None:
    before = folder.load().version
    path = getattr(folder, name)
    path.write_text(path.read_text() + "# a comment\n")
    assert folder.load().version != before


def test_moving_lines_from_one_file_to_the_other_is_another_version(folder: Folder) -> None:
    before = folder.load().version
    lines = "# moved\n"
    folder.policy.write_text(POLICY + lines)
    one = folder.load().version
    folder.policy.write_text(POLICY)
    folder.overrides.write_text(lines + MEDICAL)
    assert len({before, one, folder.load().version}) == 3


@pytest.mark.parametrize(
    ("text", "line", "path", "says"),
    [
        ("domains:\n  medical:\n    teir: medium\n", 3, "domains.medical.teir", "unknown key"),
        ("domains:\n  medical:\n    rules: {patterns: ['(']}\n", 3, "domains.medical.rules.patterns", "regular"),
        ("domains:\n  Medical: {}\n", 1, "domains", "lower-case"),
        ("domains:\n  medical: {}\ntiers: {}\n", 3, "tiers", "unknown key"),
        ("domains:\n  finance: {tier: simple}\n", 2, "domains.finance", "routing_policy.yaml too; keep one"),
        ("domains: {}\n", 1, "domains", "at least 1"),
        ("domains: [\n", 2, "", "not valid YAML"),
        ("", 0, "", "is empty"),
        ("- medical\n", 1, "", "holds a list"),
    ],
)
def test_a_mistake_names_this_file_and_its_line(tmp_path: Path, text: str, line: int, path: str, says: str) -> None:
    folder = Folder(tmp_path, overrides=text)
    (finding,) = folder.findings()
    assert (finding.file, finding.line, finding.path) == (str(folder.overrides), line, path)
    assert says in finding.message


def test_a_missing_file_says_who_names_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path, overrides=None)
    (finding,) = folder.findings()
    assert finding.file == str(folder.overrides)
    assert "cannot be read" in finding.message
    assert "routing_policy.yaml names it under `overrides`" in finding.message


def test_a_mistake_in_the_policy_still_names_the_policy(tmp_path: Path) -> None:
    folder = Folder(tmp_path, POLICY + "mode: fast\n")
    (finding,) = folder.findings()
    assert (finding.file, finding.line, finding.path) == (str(folder.policy), 8, "mode")


def test_the_check_finds_a_threshold_in_the_overrides(tmp_path: Path) -> None:
    folder = Folder(tmp_path, overrides=MEDICAL + "    threshold: 0.5\n")
    config = yaml.safe_dump(CONFIG).encode()
    found = check_texts(
        config, folder.policy.read_bytes(), OUTSIDE, config_file="config.yaml", policy_file=str(folder.policy)
    )
    (finding,) = [f for f in found if f.path == "domains.medical.threshold"]
    assert (finding.file, finding.line) == (str(folder.overrides), 5)


# watched ------------------------------------------------------------------------------------------------------------


class Watched:
    """A watcher of a folder, and the versions it installed."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.installed: list[str] = []
        self.watcher = PolicyWatcher(
            folder.policy, lambda policy: self.installed.append(policy.version), fallback=Policy.safe("safe")
        )

    def edit(self, text: str | None) -> None:
        """Replace the overrides as editors do, and look."""
        if text is None:
            self.folder.overrides.unlink()
        else:
            beside = self.folder.overrides.with_suffix(".new")
            beside.write_text(text)
            beside.replace(self.folder.overrides)
        self.watcher.check()

    @property
    def domains(self) -> list[str]:
        return list(self.watcher.policy.document.domains)

    @property
    def messages(self) -> str:
        return "\n".join(map(str, self.watcher.status.findings))


def test_an_edit_of_the_overrides_applies(folder: Folder) -> None:
    watched = Watched(folder)
    watched.edit(MEDICAL + "  travel: {tier: medium}\n")
    assert watched.domains == ["finance", "medical", "travel"]
    assert watched.watcher.status.reloads == 1
    watched.watcher.check()
    assert len(watched.installed) == 2, "a look without a change does nothing"


@pytest.mark.parametrize("broken", ["domains:\n  medical: {teir: medium}\n", "", None])
def test_a_mistake_keeps_the_last_good_and_mending_it_is_noticed(folder: Folder, broken: str | None) -> None:
    watched = Watched(folder)
    before = watched.watcher.status.version
    watched.edit(broken)
    assert watched.watcher.status.version == before
    assert str(folder.overrides) in watched.messages
    watched.edit(MEDICAL.replace("insulin", "metformin"))
    assert watched.messages == ""
    assert watched.watcher.policy.document.domains["medical"].rules.terms == ("metformin",)


@pytest.mark.parametrize("broken", ["domains: 1\n", None])
def test_a_file_broken_at_the_start_is_mended_without_touching_the_policy(tmp_path: Path, broken: str | None) -> None:
    watched = Watched(Folder(tmp_path, overrides=broken))
    assert watched.watcher.policy.version == "safe"
    watched.edit(MEDICAL)
    assert watched.domains == ["finance", "medical"]


def test_naming_a_file_that_comes_later(tmp_path: Path) -> None:
    folder = Folder(tmp_path, POLICY.replace("overrides: overrides.yaml\n", ""), overrides=None)
    watched = Watched(folder)
    folder.policy.write_text(POLICY)
    watched.watcher.check()
    assert "cannot be read" in watched.messages
    assert watched.domains == ["finance"]
    watched.edit(MEDICAL)
    assert watched.domains == ["finance", "medical"]
