"""Which stored answers a request may meet at all: its partition, and its question in canonical form. Pure.

Everything in the request's body that may change its answer, the question apart, is in the partition: what is left out
is named here, and what is not known is taken to matter.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from custom_router.cache.eligible import Ineligible, ineligible_body, ineligible_text
from custom_router.cache.language import language_of
from custom_router.decision import Decision
from custom_router.policy.cache import CachePolicy, CacheScope
from custom_router.request import CallType, RequestView
from custom_router.tiers import Tier

_NOT_ASKED = frozenset({
    "model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier",
    "prompt_cache_key", "prompt_cache_retention", "cache", "cache_control", "n", "timeout", "extra_headers",
})  # fmt: skip
"""Fields of a body that do not change what is asked. The model is the entry model, which is in the partition."""


@dataclass(frozen=True, slots=True)
class CacheTenant:
    """Whose request it is, as the proxy authenticated it; never from what the client sent."""

    key: str | None
    team: str | None = None
    org: str | None = None


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """A request as the cache sees it.

    `refused` says why the request takes no part (`partition` and `entry_id` are then empty); `semantic` whether a
    question that only means the same may answer it. `text` is the question as it was sent.
    """

    partition: str
    entry_id: str
    tenant: str
    text: str
    language: str
    domain: str | None
    semantic: bool
    namespace: str
    policy_version: str
    encoder_version: str = ""
    refused: Ineligible | None = None


def canonical(text: str) -> str:
    """A question's canonical form: composed (NFC), one kind of line end, nothing blank around it.

    Not NFKC, and nothing invisible removed: "x²" is not "x2", and whatever can be told apart stays apart.
    """
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()


def hashed(*parts: str | bytes) -> str:
    """SHA-256 (hex) of the parts, each behind its length, so that no two lists of parts run into the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def entry_id(partition: str, text: str) -> str:
    """The id of the entry that answers exactly this question in this partition."""
    return hashed(partition, canonical(text))


def tenant_label(scope: CacheScope, tenant: CacheTenant) -> str | None:
    """Who shares the entry: `global`, `org:…`, `team:…` or `key:…`; None where nobody may.

    A key that has no organisation or team falls back to the narrower scope, never to a wider one.
    """
    if scope is CacheScope.GLOBAL:
        return "global"
    if scope is CacheScope.ORG and tenant.org:
        return f"org:{tenant.org}"
    if scope in (CacheScope.ORG, CacheScope.TEAM) and tenant.team:
        return f"team:{tenant.team}"
    return f"key:{tenant.key}" if scope is not CacheScope.OFF and tenant.key else None


def cache_request(
    view: RequestView,
    body: Mapping[str, Any],
    tenant: CacheTenant,
    decision: Decision,
    policy: CachePolicy,
    *,
    entry_model: str,
    least_tier: Tier,
    encoder_version: str,
) -> CacheRequest:
    """Read a request for the cache.

    `body` is what the client sent, without what a proxy added. `least_tier` is the lowest tier that may answer it by
    its domain, its caller and its headers: what one produced under a lower floor is never served.
    """
    language = language_of(view.text)
    domain = decision.domain.name if decision.domain else None

    def refuse(reason: Ineligible) -> CacheRequest:
        blank = CacheRequest("", "", "", "", language, domain, False, policy.namespace, decision.policy_version)
        return replace(blank, refused=reason)

    if not policy.enabled:
        return refuse(Ineligible.DISABLED)
    if decision.cache is CacheScope.OFF:
        return refuse(Ineligible.SCOPE_OFF)
    label = tenant_label(decision.cache, tenant)
    if label is None:
        return refuse(Ineligible.NO_TENANT)
    reason = ineligible_body(view, body, policy)
    if reason is not None:
        return refuse(reason)
    split = _split(view.call_type, body)
    if split is None:
        return refuse(Ineligible.UNREADABLE)
    text, around = split
    if (reason := ineligible_text(text, policy)) is not None:
        return refuse(reason)
    try:
        rest = orjson.dumps(around, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return refuse(Ineligible.UNREADABLE)
    partition = hashed(
        "partition 1", label, entry_model, least_tier.value, view.call_type.value, policy.namespace, encoder_version,
        language, domain or "", rest,
    )  # fmt: skip
    return CacheRequest(
        partition=partition,
        entry_id=entry_id(partition, text),
        tenant=label,
        text=text,
        language=language,
        domain=domain,
        # A text that the encoder would see cut, or together with an earlier turn, is not the text compared.
        semantic=policy.semantic and policy.store_text and view.bounded == text.strip(),
        namespace=policy.namespace,
        policy_version=decision.policy_version,
        encoder_version=encoder_version,
    )


def _split(call_type: CallType, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The question, and all of the body around it; None where the question is not plain text."""
    around = {name: value for name, value in body.items() if name not in _NOT_ASKED}
    key = {CallType.COMPLETION: "prompt", CallType.RESPONSES: "input"}.get(call_type, "messages")
    given = around.pop(key, None)
    if isinstance(given, str):
        return given, around | {"turns": "text"}
    if not isinstance(given, list):
        return None
    asked = next(
        (i for i in range(len(given) - 1, -1, -1) if isinstance(given[i], Mapping) and given[i].get("role") == "user"),
        None,
    )
    if asked is None:
        return None
    text = _plain(given[asked].get("content"))
    if text is None:
        return None
    stripped = {name: value for name, value in given[asked].items() if name != "content"}
    return text, around | {"turns": [*given[:asked], stripped, *given[asked + 1 :]]}


def _plain(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], Mapping):
        return None
    part = content[0]
    text = part.get("text")
    known = part.get("type") in ("text", "input_text") and set(part) <= {"type", "text", "cache_control"}
    return text if known and isinstance(text, str) else None
