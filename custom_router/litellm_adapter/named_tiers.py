"""Requests that are not routed but must respect a cap: those that name a tier themselves, are led to one by an alias of
their key or team, or come in a form in which the router cannot answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, NoReturn

from custom_router.deployments import Deployment
from custom_router.litellm_adapter.reading import read_caller
from custom_router.litellm_adapter.upstream import body_of
from custom_router.policy.schema import PolicyDocument, Tiers
from custom_router.tiers import Tier

FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
"""Those named in a request body, and those of the configuration, would lead past a caller's cap."""
_OTHER_MODELS = ("deployment_id", "model_id", "models", "route")
"""Parameters with which a client has a provider ask another model: Bedrock's and SageMaker's `model_id`, OpenRouter's
`models` and `route`."""
_OWN_SETTINGS = "router_settings_override"
"""Where LiteLLM puts the settings of a key or team, among them fallbacks. A client may write it too."""
_UNSEEN = (
    "pass_through_endpoint",
    "acreate_batch",
    "_aresponses_websocket",
    "_arealtime",
    "acreate_realtime_client_secret",
    "acreate_realtime_transcription_session",
)
"""Calls whose models we do not see: a path of the provider's own, the lines of a file, the frames of a socket."""


def tier_named(model: object, deployments: Iterable[Deployment], tiers: Tiers) -> Tier | None:
    """The tier that a model name leads to: LiteLLM takes a group, an alias of one, a deployment's id, its provider's
    name for it, and several at once with commas between them.

    The highest, where it leads to more than one.
    """
    if not isinstance(model, str):
        return None
    aliases = _group_aliases()
    names = {aliases.get(name, name) for name in (model, *map(str.strip, model.split(",")))}
    meant = (d for d in deployments if not names.isdisjoint((d.group, d.id, d.model)))
    found = [tier for d in meant if (tier := tiers.of_group(d.group)) is not None]
    return max(found, key=lambda tier: tier.rank, default=None)


def _group_aliases() -> dict[str, str]:
    """`router_settings.model_group_alias`; empty until LiteLLM has started."""
    from litellm.proxy.proxy_server import llm_router

    given = getattr(llm_router, "model_group_alias", None) or {}
    return {name: to["model"] if isinstance(to, Mapping) else to for name, to in given.items()}


def take_out(data: MutableMapping[str, Any]) -> None:
    """Take out of a request what its client wrote to have another model asked than the one that it is sent to.

    Settings of its key or team stay.
    """
    _without_models(data)
    if data.get(_OWN_SETTINGS) == body_of(data).get(_OWN_SETTINGS):
        data.pop(_OWN_SETTINGS, None)
    if (extra := data.get("extra_body")) is not None:
        # Some providers' requests are overwritten by it, the model in them too.
        data["extra_body"] = kept = dict(extra) if isinstance(extra, Mapping) else {}
        kept.pop("model", None)
        _without_models(kept)


def _without_models(body: MutableMapping[str, Any]) -> None:
    """Take out what names another model than the request's own."""
    for name in (*FALLBACKS, *_OTHER_MODELS):
        body.pop(name, None)
    tools = body.get("tools")
    if not isinstance(tools, list):
        return
    kept = [tool for tool in tools if not _asks_a_model(tool)]
    if kept:
        body["tools"] = kept
    elif tools:
        # Providers refuse an empty list, and a choice without tools.
        del body["tools"]
        body.pop("tool_choice", None)


def _asks_a_model(tool: object) -> bool:
    """Whether a tool is another model: Anthropic's advisor, which LiteLLM plays for other providers, past all hooks and
    bills. One that draws images names a model that draws, and no tier."""
    if not isinstance(tool, Mapping):
        return False
    kind = str(tool.get("type"))
    return kind.startswith("advisor") or ("model" in tool and kind != "image_generation")


def entry_asked(data: Mapping[str, Any], deployments: Iterable[Deployment], policy: PolicyDocument) -> str | None:
    """The routed model that a request asks for; None for any other.

    LiteLLM applies an alias of the key or team before we see the request. One that leads from a routed model to a tier
    would go around the caller's cap, so the request counts as what the client asked for.
    """
    model, asked = data.get("model"), body_of(data).get("model")
    if isinstance(model, str) and model in policy.entry_models:
        return model
    if isinstance(asked, str) and asked in policy.entry_models and tier_named(model, deployments, policy.tiers):
        return asked
    return None


def hold_to_cap(
    data: MutableMapping[str, Any],
    user: Any,
    call_type: str,
    deployments: Iterable[Deployment],
    policy: PolicyDocument,
) -> MutableMapping[str, Any] | None:
    """A request that is not routed, as its caller's cap allows it: None where it may stand.

    One for a routed model in an API that is not (Google's) gets the cap's own tier. One that names a tier gets no other
    when that fails. One that names a higher tier, or whose models cannot be seen, is refused with FastAPI's
    `HTTPException`.
    """
    cap = read_caller(policy, user, data).max_tier
    if cap is Tier.FRONTIER:
        return None
    entry = " or ".join(policy.entry_models)
    if call_type in _UNSEEN:
        refuse(f"this key may use tiers up to {cap.value}, which this route cannot keep to; ask for {entry}")
    take_out(data)
    named = tier_named(data.get("model"), deployments, policy.tiers)
    if entry_asked(data, deployments, policy) is not None:
        data["model"] = policy.tiers[cap].model
    elif named is None:
        return data
    elif named.rank > cap.rank:
        refuse(f"this key may use tiers up to {cap.value}; ask for {entry}")
    data.update({key: [] for key in FALLBACKS})
    return data


def refuse(told: str) -> NoReturn:
    """Raise FastAPI's `HTTPException` for what a caller may not have."""
    from fastapi import HTTPException

    raise HTTPException(403, {"error": told})
