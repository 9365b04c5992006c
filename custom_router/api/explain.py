"""The route that says what would happen to a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from custom_router.api.answers import api_routes, told
from custom_router.api.turns import Turns, admit
from custom_router.api.visitor import Guards, Visitor
from custom_router.cache.key import CacheTenant
from custom_router.per_minute import PerMinute
from custom_router.policy import NOT_GIVEN, resolve_caller
from custom_router.receipts.preview import Deployed, Previews, Unsent
from custom_router.request import CallType, RequestView
from custom_router.runtime import Runtime

EXPLAIN = "/router/explain"
LONGEST = 400_000
"""Characters of a prompt; the router itself looks at 200,000."""
AT_ONCE, WAITING, SHARE, DEADLINE_S = 2, 8, 3, 20.0
"""Each may cost the encoder's one thread tens of milliseconds, which live requests need. `SHARE` is one team's."""
A_MINUTE = 30
"""What each worker gives one key."""


class As(BaseModel):
    """Whom an administrator asks for."""

    model_config = ConfigDict(extra="forbid")

    team: str | None = Field(default=None, max_length=200)
    team_alias: str | None = Field(default=None, max_length=200)
    key: str | None = Field(default=None, max_length=200)
    """Hash of the key, whose stored answers are looked at."""
    settings: dict[str, Any] | None = None
    """What `metadata.router` of the key would hold."""


class Explain(BaseModel):
    """A request that nobody has sent: a prompt, messages, or a whole body."""

    model_config = ConfigDict(extra="forbid")

    prompt: str | None = Field(default=None, max_length=LONGEST)
    messages: list[dict[str, Any]] | None = Field(default=None, max_length=2_000)
    request: dict[str, Any] | None = None
    call_type: Literal["chat", "completion", "responses", "messages"] = "chat"
    output_tokens: int | None = Field(default=None, ge=0, le=1_000_000)
    """How long the answer is taken to be, for its price."""
    as_: As | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _one(self) -> Explain:
        if sum(given is not None for given in (self.prompt, self.messages, self.request)) != 1:
            raise ValueError("give a prompt, messages, or a request")
        return self

    def body(self) -> Mapping[str, Any]:
        """The body of the request."""
        if self.request is not None:
            return self.request
        if self.messages is not None:
            return {"messages": self.messages}
        kind = CallType(self.call_type)
        if kind in (CallType.COMPLETION, CallType.RESPONSES):
            return {"prompt" if kind is CallType.COMPLETION else "input": self.prompt}
        return {"messages": [{"role": "user", "content": self.prompt}]}


def build_explain_route(runtime: Runtime, guards: Guards, deployed: Deployed) -> APIRouter:
    """Any key may ask, under its own limits; only an administrator for somebody else."""
    routes = api_routes()
    previews, key = Previews(runtime, deployed), Depends(guards.anyone)
    rate = PerMinute(A_MINUTE)
    turns = Turns("explanations", at_once=AT_ONCE, waiting=WAITING, share=SHARE, deadline_s=DEADLINE_S)

    @routes.post(EXPLAIN)
    async def explain(asked: Explain, visitor: Visitor = key) -> Response:
        """Which tier would answer, why, what would change it, what each would cost."""
        if asked.as_ is not None and not visitor.admin:
            raise HTTPException(403, "only an administrator may ask for somebody else")
        admit(visitor, rate, "explanations")
        body = asked.body()
        policy = runtime.engine.policy.document
        caller, tenant = visitor.caller(policy), visitor.tenant
        if asked.as_ is not None:
            who = asked.as_
            settings = NOT_GIVEN if who.settings is None else who.settings
            caller = resolve_caller(policy, key_settings=settings, team=who.team, team_alias=who.team_alias)
            tenant = CacheTenant(who.key, who.team)
        unsent = Unsent(
            RequestView.from_body(CallType(asked.call_type), body),
            body,
            # What a request itself asks for comes in its headers, and this one has none.
            replace(caller, header_tier=None, header_domain=None, header_cache=None),
            tenant,
            asked.output_tokens,
            whole=visitor.admin,
        )
        async with turns.one(visitor):
            return told(await previews.of(unsent))

    return routes
