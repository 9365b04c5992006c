"""Every command explains itself, quickly and plainly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.cli_calls import run

SINGLE = ["init", "check", "route", "explain", "profiles", "schema", "gate", "fit-gate", "bill"]
GROUPS = {"encoder": ["encoder", "fetch"], "overrides": ["overrides", "test"], "keys": ["keys", "apply"]}
COMMANDS = [*SINGLE, *GROUPS]


def test_the_help_names_every_command() -> None:
    for arguments in ([], ["--help"], ["-h"]):
        text = run(*arguments).output
        assert all(f"\n  {command} " in text for command in COMMANDS)
        assert "--install-completion" in text


@pytest.mark.parametrize("command", [*[[c] for c in SINGLE], *GROUPS.values()])
def test_each_command_shows_an_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Example:\n    " in result.stdout
    assert f"tier-router {' '.join(command)}" in result.stdout.split("Example:")[1]


@pytest.mark.parametrize("arguments", [["bogus"], ["check", "--bogus"], ["init", "a", "b"], ["encoder", "bogus"]])
def test_a_mistyped_command_exits_with_two(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_help_loads_nothing_heavy() -> None:
    heavy = ["litellm", "numpy", "onnxruntime", "pydantic", "yaml", "fastapi"]
    program = f"import sys, custom_router.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_the_shell_completes_commands() -> None:
    environment = {"_TIER_ROUTER_COMPLETE": "complete_bash", "COMP_WORDS": "tier-router pro", "COMP_CWORD": "1"}
    program = "from custom_router.cli import main; import sys; sys.argv = ['tier-router']; main()"
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert found.stdout.split() == ["profiles"]
