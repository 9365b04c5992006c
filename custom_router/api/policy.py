"""Routes of the policy: what is in force, what has been, how they differ, and what an edit would do."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from custom_router.api.answers import api_routes, told
from custom_router.api.visitor import Guards
from custom_router.policy.history import PolicyHistory, Version
from custom_router.policy.masked import masked_texts
from custom_router.policy.pasted import MAX_CHARACTERS
from custom_router.receipts.edits import Edits, described
from custom_router.receipts.preview import Deployed
from custom_router.runtime import Runtime

_Version = Annotated[str, Query(pattern=r"^(?:[0-9a-f]{12}|in_force)$")]
DIFFED_LINES = 10_000


class Edit(BaseModel):
    """Texts to try: the policy's, its overrides file's, or both. The one that is left out is as it is in force."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, max_length=MAX_CHARACTERS)
    overrides: str | None = Field(default=None, max_length=MAX_CHARACTERS)

    @model_validator(mode="after")
    def _one(self) -> Edit:
        if self.text is None and self.overrides is None:
            raise ValueError("give the policy's text, its overrides', or both")
        return self


def build_policy_routes(runtime: Runtime, guards: Guards, deployed: Deployed, history: PolicyHistory) -> APIRouter:
    """For administrators. Nothing here changes the policy: its file does."""
    routes, admin = api_routes(), [Depends(guards.admin)]
    edits = Edits(runtime, deployed)

    @routes.get("/router/api/policy", dependencies=admin)
    async def policy() -> Response:
        """The policy in force, secrets masked, and the versions that workers of this host have loaded."""
        status, held = runtime.engine.watcher.status, runtime.engine.policy
        versions, problem = await _versions(history)
        text, overrides = await asyncio.to_thread(masked_texts, held)
        beside = held.overrides
        return told(
            {
                "version": held.version,
                "source": held.source,
                "loaded_at": status.loaded_at,
                "mode": held.document.mode.value,
                "text": text,
                "overrides": {"path": str(beside.path), "text": overrides} if beside is not None else None,
                "findings": [described(finding) for finding in status.findings],
                "history": [_told(version) for version in versions],
                "history_error": problem,
            }
        )

    @routes.get("/router/api/policy/diff", dependencies=admin)
    async def diff(old: Annotated[_Version, Query(alias="from")], to: _Version = "in_force") -> Response:
        """How two versions differ, as a unified diff of their texts."""
        versions, problem = await _versions(history)
        known = {version.version: version for version in versions}
        held = runtime.engine.policy
        text, overrides = await asyncio.to_thread(masked_texts, held)
        now = Version(held.version, runtime.engine.watcher.status.loaded_at, text, overrides)
        pair = [now if name in ("in_force", held.version) else known.get(name) for name in (old, to)]
        if pair[0] is None or pair[1] is None:
            raise HTTPException(404, problem or "no such version among the last ones")
        return told({"diff": await asyncio.to_thread(unified, pair[0], pair[1])})

    @routes.post("/router/api/policy/check", dependencies=admin)
    async def check(edit: Edit) -> Response:
        """Whether the texts would be loaded, and what they would have done to the last requests. Applies nothing."""
        return told(await edits.check(edit.text, edit.overrides))

    return routes


async def _versions(history: PolicyHistory) -> tuple[list[Version], str | None]:
    try:
        return await asyncio.to_thread(history.versions), None
    except OSError as error:
        return [], f"the history cannot be read: {error.strerror or error}"


def _told(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "loaded_at": version.loaded_at,
        "text": version.text,
        "overrides": version.overrides,
        "by": [asdict(loading) for loading in version.by],
    }


def unified(old: Version, new: Version) -> str:
    """A unified diff of two versions: the policy's file, then the overrides'."""
    files = (("policy", old.text, new.text), ("overrides", old.overrides or "", new.overrides or ""))
    lines: list[str] = []
    for name, before, after in files:
        a, b = before.splitlines(keepends=True), after.splitlines(keepends=True)
        if len(a) + len(b) > DIFFED_LINES:
            lines.append(f"# {name}: too long to compare here\n")
            continue
        lines += difflib.unified_diff(a, b, f"{name} {old.version}", f"{name} {new.version}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
