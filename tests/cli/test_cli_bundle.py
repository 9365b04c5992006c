"""init, profiles, schema and check: a bundle is written, says what comes next, and passes its own check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custom_router.bundle import CONFIG, POLICY, SCHEMA, bundle_files, shipped_policy_text
from custom_router.policy import Mode, Policy
from custom_router.policy.json_schema import schema_text
from custom_router.policy.profiles import load_profiles
from tests.cli.cli_calls import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "proxy"


def test_init_writes_the_bundle_and_says_what_comes_next(folder: Path) -> None:
    result = run("init", folder)
    assert result.exit_code == 0
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written >= {CONFIG, POLICY, SCHEMA, "hooks/__init__.py", "hooks/pre_call.py", "hooks/post_call.py"}
    assert written == set(bundle_files())
    for name in written:
        assert f"wrote {folder / name}" in result.stdout
        if name != POLICY:
            assert (folder / name).read_bytes() == bundle_files()[name]
    assert f"Next: cd {folder} && tier-router check" in result.stdout


def test_init_puts_the_profile_in(folder: Path) -> None:
    assert run("init", folder, "--profile", "compliance").exit_code == 0
    assert Policy.load(folder / POLICY).document.mode is Mode.SHADOW


def test_init_refuses_to_overwrite_anything(folder: Path) -> None:
    (folder / "hooks").mkdir(parents=True)
    (folder / POLICY).write_text("mine")
    result = run("init", folder)
    assert result.exit_code == 1
    assert POLICY in result.stderr
    assert "--force" in result.stderr
    assert [path.name for path in folder.iterdir() if path.is_file()] == [POLICY]
    assert (folder / POLICY).read_text() == "mine"
    assert run("init", folder, "--force").exit_code == 0
    assert (folder / POLICY).read_text() != "mine"


def test_init_knows_its_profiles(folder: Path) -> None:
    result = run("init", folder, "--profile", "cheap")
    assert result.exit_code == 2
    assert "high-volume" in result.stderr
    assert not folder.exists()


def test_init_where_it_may_not_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("init", tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_profiles_are_listed_with_what_they_change() -> None:
    result = run("profiles")
    assert result.exit_code == 0
    for name, profile in load_profiles().items():
        assert name in result.stdout
        assert profile.summary in result.stdout
    assert "    mode: shadow  (shipped: enforce)" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_profile_prints_as_a_policy() -> None:
    result = run("profiles", "budget")
    assert result.stdout == load_profiles()["budget"].apply(shipped_policy_text())
    assert run("profiles", "nothing").exit_code == 2


def test_schema_prints_and_writes(tmp_path: Path) -> None:
    assert run("schema").stdout == schema_text()
    assert run("schema", "--write", tmp_path / "s.json").exit_code == 0
    assert (tmp_path / "s.json").read_text() == schema_text()
    assert run("schema", "--write", tmp_path / "no" / "s.json").exit_code == 1


def test_the_shipped_bundle_has_no_errors(folder: Path) -> None:
    run("init", folder)
    result = run("check", "--config", folder / CONFIG, "--json")
    found = json.loads(result.stdout)
    assert [f for f in found if f["severity"] == "error"] == []
    assert result.exit_code == 0
    assert sum(f["severity"] == "note" for f in found) == 6
    assert "0 errors" in result.stderr


def test_check_exits_with_one_and_one_line_a_finding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", folder)
    config = folder / CONFIG
    config.write_text(config.read_text().replace("os.environ/DEEPSEEK_API_KEY", "sk-very-secret-0123456789"))
    (folder / "hooks" / "post_call.py").unlink()
    monkeypatch.chdir(folder)
    result = run("check", "--require-keys")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert all(line.startswith((f"{CONFIG}:", f"{POLICY}:")) for line in lines)
    assert "sk-very" not in result.output
    (secret,) = [line for line in lines if "a secret is written in the file" in line]
    line = int(secret.split(":")[1])
    assert "sk-very-secret" in config.read_text().splitlines()[line - 1]
    assert any("no hooks/post_call.py beside" in line for line in lines)
    assert any("error" in line and "_API_KEY is not set" in line for line in lines)


def test_check_without_files(tmp_path: Path) -> None:
    result = run("check", "--config", tmp_path / CONFIG)
    assert result.exit_code == 1
    assert [line.split(": ")[1] for line in result.stdout.splitlines()] == ["error", "error"]
    assert "tier-router init" in result.stdout
