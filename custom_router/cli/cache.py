"""`tier-router cache`: the cache of a running proxy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from custom_router.cli.terminal import fail, os_reason, say
from custom_router.cli.text_files import reading, writing

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look into the cache of a running proxy.")

_TIMEOUT_S = 60.0
_PAGE = 10_000
"""Entries that the route shows at once."""
_BATCH = 50
"""Pairs in one request: each is decided, so that it lands where its question will look."""

UrlOption = Annotated[
    str,
    typer.Option(metavar="URL", help="Root of the proxy.", envvar="TIER_ROUTER_URL", show_envvar=True),
]
KeyOption = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="The proxy's admin key.", show_default="$LITELLM_MASTER_KEY"),
]
TenantOption = Annotated[str | None, typer.Option(metavar="LABEL", help="Label, such as team:support.")]
TierOption = Annotated[str | None, typer.Option(help="simple, medium or frontier.")]
DomainOption = Annotated[str | None, typer.Option(help="Domain of the policy.")]
LikeOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Questions near to this text.")]
LeastOption = Annotated[float, typer.Option(min=0.0, max=1.0, help="Least cosine with --like.")]
DEFAULT_URL = "http://localhost:4000"


@app.callback()
def cache() -> None:
    """Look into the cache of a running proxy, drop entries, and warm it."""


@app.command()
def stats(url: UrlOption = DEFAULT_URL, key: KeyOption = None) -> None:
    """Say what the cache holds.

    \b
    Example:
      tier-router cache stats --url http://localhost:4000
    """
    found = _ask("GET", url, key, "/router/api/cache", params={"limit": 0})
    del found["shown"], found["next"]
    for name, value in found.items():
        say(f"{name:<12}{value}")


@app.command()
def show(
    entry_id: Annotated[str | None, typer.Argument(metavar="ID", help="One entry, by its x-router-cache-id.")] = None,
    tenant: TenantOption = None,
    tier: TierOption = None,
    domain: DomainOption = None,
    like: LikeOption = None,
    least_similarity: LeastOption = 0.9,
    texts: Annotated[bool, typer.Option("--texts", help="Show questions and answers.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=_PAGE)] = 20,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Show entries, newest first, one JSON object a line.

    \b
    Example:
      tier-router cache show --tenant team:support --like "How do I reset my password?" --texts
    """
    picked = _given(entry_id=entry_id, tenant=tenant, tier=tier, domain=domain, like=like)
    picked |= {"least_similarity": least_similarity, "texts": texts, "limit": limit}
    for entry in _ask("GET", url, key, "/router/api/cache", params=picked)["shown"]:
        say(json.dumps(entry))


@app.command()
def invalidate(
    entry_id: Annotated[str | None, typer.Argument(metavar="ID", help="One entry, by its x-router-cache-id.")] = None,
    tenant: TenantOption = None,
    older_than_s: Annotated[float | None, typer.Option(min=0.0, metavar="SECONDS")] = None,
    tier: TierOption = None,
    domain: DomainOption = None,
    model: Annotated[str | None, typer.Option(help="Model that gave the answers.")] = None,
    policy_version: Annotated[str | None, typer.Option(help="Policy under which they were stored.")] = None,
    like: LikeOption = None,
    least_similarity: LeastOption = 0.9,
    everything: Annotated[bool, typer.Option("--all", help="Drop every entry.")] = False,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Drop the entries that meet every condition given, in every worker that shares the store.

    \b
    Example:
      tier-router cache invalidate --tenant team:support --older-than-s 86400
    """
    picked = _given(
        entry_id=entry_id, tenant=tenant, older_than_s=older_than_s, tier=tier, domain=domain, model=model,
        policy_version=policy_version, like=like,
    )  # fmt: skip
    if bool(picked) == everything:
        raise typer.BadParameter("give at least one condition, or --all alone for every entry")
    asked = {**picked, "least_similarity": least_similarity} if picked else {"all": True}
    dropped = _ask("POST", url, key, "/router/cache/invalidate", body=asked)["dropped"]
    say(f"dropped {dropped} {'entry' if dropped == 1 else 'entries'}")


@app.command()
def warm(
    input_: Annotated[str, typer.Option("--input", metavar="FILE", help="JSON lines; - reads stdin.")] = "-",
    team: Annotated[str | None, typer.Option(metavar="ID", help="LiteLLM's id of the team that shares them.")] = None,
    org: Annotated[str | None, typer.Option(metavar="ID", help="Organisation that shares them.")] = None,
    key_hash: Annotated[str | None, typer.Option(metavar="HASH", help="Virtual key, by LiteLLM's hash of it.")] = None,
    tier: Annotated[str, typer.Option(help="Tier that the answers are as good as.")] = "frontier",
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Keep answers before anybody has asked.

    Each line is {"question", "answer"}, or {"request", "answer"} with a request's body where more than the question
    counts: a system prompt, a temperature, a limit. "call_type" names the API, chat if it is left out.

    \b
    Example:
      tier-router cache warm --input faq.jsonl --team support
    """
    try:
        source = reading(input_)
    except OSError as error:
        raise typer.BadParameter(f"{input_}: {os_reason(error)}", param_hint="--input") from error
    kept, refused = 0, dict[str, int]()
    with source as lines:
        for batch in _batches(lines, input_):
            body = {"pairs": batch, "tier": tier, **_given(team=team, key=key_hash, org=org)}
            told = _ask("POST", url, key, "/router/cache/warm", body=body)
            kept += told["kept"]
            for reason, count in told["refused"].items():
                refused[reason] = refused.get(reason, 0) + count
    say(f"kept {kept}")
    if refused:
        fail("refused " + ", ".join(f"{count} ({reason})" for reason, count in sorted(refused.items())))


@app.command()
def export(
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the lines go; - is stdout.")] = "-",
    tenant: TenantOption = None,
    domain: DomainOption = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Write entries with their questions and answers, one JSON object a line, newest first.

    \b
    Example:
      tier-router cache export --tenant team:support --output support.jsonl
    """
    picked = {**_given(tenant=tenant, domain=domain), "texts": True, "limit": _PAGE}
    page, written = _ask("GET", url, key, "/router/api/cache", params=picked), 0
    try:
        with writing(output) as target:
            while page["shown"]:
                target.writelines(json.dumps(entry).encode("ascii") + b"\n" for entry in page["shown"])
                written += len(page["shown"])
                if page["next"] is None:
                    break
                page = _ask("GET", url, key, "/router/api/cache", params={**picked, "after": page["next"]})
    except OSError as error:
        raise typer.BadParameter(f"{output}: {os_reason(error)}", param_hint="--output") from error
    if output != "-":
        say(f"{written} entries in {Path(output)}")


def _given(**conditions: Any) -> dict[str, Any]:
    return {name: value for name, value in conditions.items() if value is not None}


def _batches(lines: BinaryIO, name: str) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            batch.append(json.loads(raw))
        except ValueError as error:
            fail(f"{name}:{number}: is not JSON: {error}")
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _ask(
    method: str, url: str, key: str | None, path: str, *, params: dict[str, Any] | None = None, body: Any = None
) -> dict[str, Any]:
    import httpx

    key = key or os.environ.get("LITELLM_MASTER_KEY")
    if not key:
        fail("no admin key: give --key or set LITELLM_MASTER_KEY")
    try:
        answer = httpx.request(
            method,
            f"{url.rstrip('/')}{path}",
            params=params,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{url}: {type(error).__name__}: {error}; is the proxy running there? --url names another")
    if answer.status_code != 200:
        fail(f"{url}{path} answered {answer.status_code}: {answer.text[:500]}")
    told: dict[str, Any] = answer.json()
    return told
