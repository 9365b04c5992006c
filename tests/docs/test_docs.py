"""The pages say what the code says: names, defaults, links, commands, examples."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import typer
import yaml
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from custom_router import metrics
from custom_router.cache.eligible import MEANING as GUARDS
from custom_router.cache.guards import MEANING as REFUSALS
from custom_router.causes import MEANING, Cause
from custom_router.cli import app
from custom_router.domains.model import DomainModel
from custom_router.headers import decision_headers
from custom_router.keys.document import KeyEntry, TeamEntry, read_keys
from custom_router.policy import Policy, resolve_caller
from custom_router.policy.caller import SETTINGS
from custom_router.policy.load import read_yaml
from custom_router.policy.profiles import load_profiles
from custom_router.policy.schema import CallerLimits, PolicyDocument, TierPolicy
from custom_router.records.record import DecisionRecord, Tenant
from custom_router.signals import Signal
from custom_router.simulator import Fault
from tests.docs.documents import DOCS, PAGES, ROOT, Block, anchors, blocks, codes, prose, shell_lines, table

SHIPPED = yaml.safe_load((ROOT / "routing_policy.yaml").read_text(encoding="utf-8"))


# names ------------------------------------------------------------------------------------------------------------


def test_every_cause_is_listed_with_its_meaning() -> None:
    listed = {codes(code)[0]: meaning for code, meaning in table("records.md", "code")}
    assert listed == {cause.value: f"{text[0].upper()}{text[1:]}." for cause, text in MEANING.items()}


@pytest.mark.parametrize("page", PAGES)
def test_cause_columns_hold_causes_only(page: str) -> None:
    lines = prose(page).splitlines()
    column: int | None = None
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            column = None
        elif "cause" in cells:
            column = cells.index("cause")
        elif column is not None:
            assert set(codes(cells[column])) <= set(Cause), line


def test_every_reason_to_pass_the_cache_by_is_listed_with_its_meaning() -> None:
    listed = {codes(code)[0]: meaning for code, meaning in table("cache.md", "reason")}
    told = {guard: text for guard, text in GUARDS.items() if not guard.startswith("answer_")}
    assert listed == {guard.value: f"{text[0].upper()}{text[1:]}." for guard, text in told.items()}


def test_every_refusal_of_a_near_question_is_listed_with_its_meaning() -> None:
    listed = {codes(code)[0]: meaning for code, meaning in table("cache.md", "refusal")}
    assert listed == {guard.value: f"{text[0].upper()}{text[1:]}." for guard, text in REFUSALS.items()}


def metric_names() -> set[str]:
    families = [next(iter(m.describe())) for m in vars(metrics).values() if isinstance(m, Counter | Gauge | Histogram)]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def test_every_metric_is_listed_and_no_other_is_named() -> None:
    assert {codes(row[0])[0] for row in table("metrics.md", "metric")} == metric_names()
    for page, text in PAGES.items():
        named = {re.sub(r"_(?:bucket|sum|count)$", "", n) for n in re.findall(r"\btier_router_\w+", text)}
        assert named <= metric_names(), page


def test_every_header_is_listed_and_no_other_is_named() -> None:
    record = DecisionRecord("", "", "", "", "", False, Tenant())
    response = set(decision_headers(record))
    allowed = get_args(get_args(CallerLimits.model_fields["request_headers"].annotation)[0])
    request = {f"x-router-{name}" for name in allowed}
    assert {codes(row[0])[0] for row in table("records.md", "header")} == response
    assert {codes(row[0])[0] for row in table("callers.md", "header")} == request
    for page, text in PAGES.items():
        assert set(re.findall(r"x-router-[a-z][a-z-]*", text)) <= response | request, page


def record_paths(kind: type[Any], above: str = "") -> Iterator[str]:
    for field in fields(kind):
        name = str(field.type)
        inner = vars(importlib.import_module(kind.__module__)).get(name)
        if isinstance(inner, type) and is_dataclass(inner):
            yield from record_paths(inner, f"{above}{field.name}.")
        else:
            yield f"{above}{field.name}"


def test_every_record_field_is_listed() -> None:
    assert [codes(row[0])[0] for row in table("records.md", "field")] == list(record_paths(DecisionRecord))


def policy_keys(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, Any]]:
    """(path, default) of every key that holds a value, tiers, domains and signals by placeholder."""
    for name, field in model.model_fields.items():
        path = f"{above}{name}"
        kinds = [k for k in (field.annotation, *get_args(field.annotation)) if isinstance(k, type)]
        inner = next((k for k in kinds if issubclass(k, BaseModel)), None)
        if path == "tiers":
            yield from policy_keys(TierPolicy, "tiers.<tier>.")
        elif path in ("domains", "intents") and inner:
            yield from policy_keys(inner, f"{path}.<name>.")
        elif path == "signals":
            yield "signals.<signal>", None
        elif inner:
            yield from policy_keys(inner, f"{path}.")
        else:
            yield path, field.get_default(call_default_factory=True)


def test_every_policy_key_is_listed_with_its_default() -> None:
    listed = {codes(key)[0]: default for key, default, _ in table("policy.md", "key") if len(codes(key)) == 1}
    known = dict(policy_keys(PolicyDocument))
    assert list(listed) == list(known)
    for key, default in known.items():
        shown = listed[key]
        if key.startswith("tiers.") or default is PydanticUndefined:
            assert shown.startswith("required"), key
        elif default is None:
            assert shown == "none", key
        else:
            expected = list(default) if isinstance(default, tuple) else getattr(default, "value", default)
            assert read_yaml(codes(shown)[0].encode(), key) == expected, key


def test_policy_keys_named_in_prose_exist() -> None:
    known = {key.replace("<tier>", "simple").replace("<name>", "x") for key, _ in policy_keys(PolicyDocument)}
    recorded = set(record_paths(DecisionRecord))
    sections = {key.partition(".")[0] for key in known} - {"tiers", "domains", "intents", "signals", "version", "mode"}
    for page in PAGES:
        for code in codes(prose(page)):
            file = code.endswith((".json", ".npz", ".png", ".md", ".yaml"))  # such as the artifact cache.json
            named = re.fullmatch(rf"(?:{'|'.join(sections)})\.\w+(?:\.\w+)*", code)
            if named and not file and code not in recorded:
                assert any(key == code or key.startswith(f"{code}.") for key in known), f"{page}: {code}"


def test_settings_of_callers_signals_profiles_and_faults_are_listed() -> None:
    assert [codes(row[0])[0] for row in table("callers.md", "setting")] == list(SETTINGS)
    assert [codes(row[0])[0] for row in table("policy.md", "profile")] == list(load_profiles())
    assert [codes(row[0])[0] for row in table("simulator.md", "fault")] == [fault.value for fault in Fault]
    (signals,) = [row[2] for row in table("policy.md", "key") if codes(row[0]) == ["signals.<signal>"]]
    assert set(codes(signals)) == {signal.value for signal in Signal}


# links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_resolve(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((DOCS / page).parent / path).resolve() if path else DOCS / page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(file.relative_to(DOCS).as_posix()), target


def test_the_index_names_every_page() -> None:
    named = {codes_or_link(row[0]) for row in table("index.md", "page")}
    named |= {f"runbook/{codes_or_link(row[0])}" for row in table("runbook/index.md", "alert")}
    assert named == set(PAGES) - {"index.md"}


def codes_or_link(cell: str) -> str:
    found = re.search(r"\(([^)]+)\)", cell)
    assert found is not None, cell
    return found.group(1)


# commands ---------------------------------------------------------------------------------------------------------


def commands(program: str) -> list[tuple[str, list[str]]]:
    """(page, arguments) of every use of a program in an `sh` block, in pipes and chains too."""
    found = []
    for page, line in shell_lines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words = list(lexer)
        while words:
            end = next((i for i, word in enumerate(words) if set(word) <= set("|&;<>") and word), len(words))
            if words[0].removeprefix(".venv/bin/") == program:
                found.append((page, words[1:end]))
            words = words[end + 1 :]
    return found


@pytest.mark.parametrize(("page", "arguments"), commands("tier-router"))
def test_quoted_tier_router_commands_parse(page: str, arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        name, *arguments = arguments
        assert name in command.commands, name
        command = command.commands[name]
    command.make_context(command.name, list(arguments))


def test_tier_router_commands_named_in_prose_exist() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    for page in PAGES:
        for code in codes(prose(page)):
            if code.startswith("tier-router "):
                words = code.split()
                assert words[1] in known, f"{page}: {code}"


def script_options(name: str) -> set[str]:
    """Options that a script's own program defines."""
    text = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    if text.startswith("#!/usr/bin/env python3"):
        program = typer.Typer()
        program.command()(runpy.run_path(str(ROOT / "scripts" / name))["main"])
        return {option for parameter in typer.main.get_command(program).params for option in parameter.opts}
    module = re.search(r"python\" -m (custom_router\S*)", text)
    if module is None:
        return set()
    path = ROOT / Path(*module.group(1).split("."))
    source = (path / "__main__.py") if path.is_dir() else path.with_suffix(".py")
    declared = source.read_text(encoding="utf-8")
    names = re.findall(r"^ {4}(\w+): Annotated", declared, re.MULTILINE)
    return {f"--{name.replace('_', '-')}" for name in names} | set(re.findall(r"\"(--[a-z][a-z-]*)\"", declared))


SCRIPTS = [path.name for path in sorted((ROOT / "scripts").iterdir()) if path.is_file()]


@pytest.mark.parametrize(
    ("page", "script", "arguments"),
    [(page, name, words) for name in SCRIPTS for page, words in commands(f"scripts/{name}")],
)
def test_quoted_scripts_take_these_options(page: str, script: str, arguments: list[str]) -> None:
    if script == "test":  # its arguments are pytest's
        return
    given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    assert given <= script_options(script)


def test_scripts_named_anywhere_exist() -> None:
    for page, text in PAGES.items():
        assert set(re.findall(r"\bscripts/([a-z0-9_]+)", text)) <= set(SCRIPTS), page


# examples ---------------------------------------------------------------------------------------------------------


def merged(onto: Any, change: Any) -> Any:
    if isinstance(onto, dict) and isinstance(change, dict):
        return {**onto, **{key: merged(onto.get(key), value) for key, value in change.items()}}
    return change


@pytest.mark.parametrize("block", blocks("yaml policy"), ids=lambda block: block.page)
def test_policy_examples_load(block: Block) -> None:
    policy = Policy.parse(yaml.safe_dump(merged(SHIPPED, yaml.safe_load(block.text)), allow_unicode=True))
    with_model = {name for name, domain in policy.document.domains.items() if domain.threshold is not None}
    assert with_model <= DomainModel.shipped()


TESTED_YAML = (
    "yaml policy", "yaml policy-part", "yaml auto-router", "yaml overrides", "yaml examples", "yaml keys", "yaml otel",
)  # fmt: skip


@pytest.mark.parametrize("part", blocks("yaml policy-part"), ids=lambda block: block.page)
def test_parts_of_a_policy_with_another_file_load(part: Block, tmp_path: Path) -> None:
    (overrides,) = blocks("yaml overrides")
    (tmp_path / yaml.safe_load(part.text)["overrides"]).write_text(overrides.text, encoding="utf-8")
    path = tmp_path / "routing_policy.yaml"
    path.write_text(yaml.safe_dump(merged(SHIPPED, yaml.safe_load(part.text))), encoding="utf-8")
    assert "medical" in Policy.load(path).document.domains


@pytest.mark.parametrize("block", blocks("yaml keys"), ids=lambda block: block.page)
def test_files_of_keys_load(block: Block) -> None:
    document = read_keys(block.text.encode(), block.page, PolicyDocument.model_validate(SHIPPED))
    listed = {name for row in table("keys.md", "key") for name in codes(row[0])}
    fields = {name for entry in (TeamEntry, KeyEntry) for name in entry.model_fields}
    assert listed == fields
    assert document.keys


def test_every_yaml_block_is_tested() -> None:
    for page, text in PAGES.items():
        for info in re.findall(r"^```(yaml[^\n]*)\n", text, re.MULTILINE):
            assert info in TESTED_YAML, f"{page}: {info}"


@pytest.mark.parametrize("block", blocks("json caller"), ids=lambda block: block.page)
def test_caller_examples_have_no_problem(block: Block) -> None:
    caller = resolve_caller(PolicyDocument.model_validate(SHIPPED), key_settings=json.loads(block.text))
    assert caller.problems == ()
    assert caller.max_tier.value == json.loads(block.text)["max_tier"]
