"""`tier-router keys`: teams and virtual keys from a file, and keys that get past the router."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.keys.plan import Plan, Step
    from custom_router.keys.proxy import ProxyAdmin
    from custom_router.policy import PolicyDocument

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Issue and audit teams and virtual keys.")

ADMIN_KEY = "LITELLM_MASTER_KEY"
File = Annotated[Path, typer.Argument(help="Teams and keys, as YAML.")]
Url = Annotated[str, typer.Option(help="Root of the proxy.", envvar="LITELLM_PROXY_URL")]


@app.command("plan")
def plan(file: File = Path("keys.yaml"), url: Url = "http://localhost:4000", policy: PolicyOption = None) -> None:
    """Show what `apply` would do, and do nothing.

    One line a team or key: + to be made, ~ to be changed, = as it should be; then the calls. The admin key comes from
    $LITELLM_MASTER_KEY. What the file leaves out is left alone, on the proxy too.

    \b
    Example:
      tier-router keys plan keys.yaml
      tier-router keys plan keys.yaml --url https://llm.example.org
    """
    document = open_policy(policy).document
    with _proxy(url) as proxy:
        _print_plan(_planned(file, document, proxy))


@app.command("apply")
def apply(
    file: File = Path("keys.yaml"),
    secrets: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where new keys are written, once: a new file (mode 0600), or - for stdout."),
    ] = None,
    url: Url = "http://localhost:4000",
    policy: PolicyOption = None,
) -> None:
    """Make and change teams and keys until the proxy has those of the file.

    New keys are written to --secrets, one JSON line each, and nowhere else; without it nothing is done while there are
    keys to make. Doing it again changes nothing. After an error, do it again: what was done stays done.

    \b
    Example:
      tier-router keys apply keys.yaml --secrets new_keys.jsonl
    """
    document = open_policy(policy).document
    with _proxy(url) as proxy:
        planned = _planned(file, document, proxy)
        new = sum(step.kind == "make" and step.noun == "key" for step in planned.steps)
        if new and secrets is None:
            _print_plan(planned)
            fail(f"nothing done: say with --secrets FILE (or -) where the {new} new keys are to be written")
        with _secrets_file(secrets if new else None) as keep:
            _apply(planned, proxy, keep)


@app.command("audit")
def audit(
    url: Url = "http://localhost:4000",
    policy: PolicyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON array.")] = False,
) -> None:
    """List the keys that can get past the router or whose settings do not say what they were meant to, and why.

    `bypass`: it can name a model that is not routed. `malformed`: its router settings were read as the narrowest.
    `note`: worth knowing. Exits with 1 for any of the first two.

    \b
    Example:
      tier-router keys audit
      tier-router keys audit --json | jq -r '.[] | select(.severity == "bypass") | .owner'
    """
    from dataclasses import asdict

    from custom_router.keys.audit import audit_keys

    document = open_policy(policy).document
    with _proxy(url) as proxy:
        keys, teams = proxy.keys(), proxy.teams()
        found = audit_keys(keys, teams, document)
    if as_json:
        say(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            say(str(finding))
    bad = [finding for finding in found if finding.severity != "note"]
    say(f"{len(keys)} keys, {len(teams)} teams, {len(bad)} findings, {len(found) - len(bad)} notes", err=True)
    if bad:
        raise typer.Exit(1)


@contextmanager
def _proxy(url: str) -> Iterator[ProxyAdmin]:
    from custom_router.keys.proxy import ProxyAdmin, ProxyRefused

    # Not an option: the arguments of a command are everybody's to read.
    admin_key = os.environ.get(ADMIN_KEY)
    if not admin_key:
        fail(f"${ADMIN_KEY} is not set; export the proxy's admin key")
    try:
        with ProxyAdmin(url, admin_key) as proxy:
            yield proxy
    except ProxyRefused as error:
        fail(str(error))


def _planned(file: Path, policy: PolicyDocument, proxy: ProxyAdmin) -> Plan:
    from custom_router.keys.document import read_keys
    from custom_router.keys.plan import Ambiguous, plan
    from custom_router.policy import PolicyError

    try:
        document = read_keys(file.read_bytes(), str(file), policy)
        return plan(document, proxy.teams(), proxy.keys(), policy.entry_models)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {os_reason(error)}", param_hint="FILE") from error
    except PolicyError as error:
        for finding in error.findings:
            say(f"{paint('error:', 'error')} {finding}", err=True)
        raise typer.Exit(1) from None
    except Ambiguous as error:
        fail(str(error))


_SIGN = {"make": "+", "change": "~", "leave": "="}


def _print_plan(planned: Plan) -> None:
    for step in planned.steps:
        say(_line(step))
        if step.path:
            say(f"    POST {step.path} {json.dumps(_shown(step), ensure_ascii=False)}")
    _print_rest(planned)


def _line(step: Step) -> str:
    told = "; ".join(f"{name} {json.dumps(old)} → {json.dumps(new)}" for name, old, new in step.changes)
    return f"{_SIGN[step.kind]} {step.noun} {step.alias}{f'   {told}' if told else ''}"


def _shown(step: Step) -> dict[str, Any]:
    """The call's body; a hash is cut, the id of a team still to be made is a word, and metadata that is not ours, which
    may hold anybody's secrets, is three dots."""
    body = dict(step.body)
    if "metadata" in body:
        body["metadata"] = {name: told if name == "router" else "…" for name, told in body["metadata"].items()}
    if "key" in body:
        body["key"] = f"{str(body['key'])[:8]}…"
    if step.team and body.get("team_id") is None:
        body["team_id"] = f"(id of team {step.team})"
    return body


def _print_rest(planned: Plan) -> None:
    if planned.beyond:
        say(f"not in the file, left alone: {', '.join(planned.beyond)}")
    count = {kind: sum(step.kind == kind for step in planned.steps) for kind in _SIGN}
    say(f"{count['make']} to make, {count['change']} to change, {count['leave']} as they should be", err=True)


def _apply(planned: Plan, proxy: ProxyAdmin, keep: Any) -> None:
    ids = dict(planned.team_ids)
    for step in planned.steps:
        if step.path:
            body = dict(step.body)
            if step.noun == "key" and step.team and body.get("team_id") is None:
                body["team_id"] = ids[step.team]
            answer = proxy.send(step.path, body)
            if step.noun == "team":
                ids[step.alias] = str(answer.get("team_id") or ids.get(step.alias))
            elif step.kind == "make":
                keep({"key_alias": step.alias, "team": step.team, "key": answer["key"]})
        say(_line(step), err=True)
    if planned.beyond:
        say(f"not in the file, left alone: {', '.join(planned.beyond)}", err=True)


@contextmanager
def _secrets_file(name: str | None) -> Iterator[Any]:
    """Writes a new key at once, before the next is made: none may be lost on the way."""
    if name is None or name == "-":
        yield lambda told: say(json.dumps(told, ensure_ascii=False))
        return
    try:
        # Never a file that is there: it might be readable by others, or hold the last keys.
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"nothing done: {name}: {os_reason(error)}")
    with os.fdopen(handle, "w", encoding="utf-8") as out:

        def keep(told: dict[str, Any]) -> None:
            out.write(json.dumps(told, ensure_ascii=False) + "\n")
            out.flush()
            os.fsync(out.fileno())

        yield keep
