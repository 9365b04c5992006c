"""The plugin inside LiteLLM's process: made once, its routes mounted, and closed when the proxy stops."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from pathlib import Path
from types import FrameType

from custom_router.api.mount import FOR_ANY_KEY, build_api
from custom_router.api.visitor import Guards, Visitor
from custom_router.cache.key import CacheTenant
from custom_router.console.routes import build_console_routes
from custom_router.litellm_adapter.abandoned_streams import collect_quietly
from custom_router.litellm_adapter.adapter import LiteLLMAdapter
from custom_router.litellm_adapter.budgets import read_budgets
from custom_router.litellm_adapter.deployments import DeploymentTable
from custom_router.litellm_adapter.logs import set_up_logs
from custom_router.litellm_adapter.missing import warn_of_missing_variables
from custom_router.litellm_adapter.reading import attribute, read_caller, team_of, text_or_none
from custom_router.litellm_adapter.text_streams import send_at_once
from custom_router.runtime import Runtime

logger = logging.getLogger(__name__)

_ADMINS = "this route needs the proxy's admin key"

_connected: dict[Path, LiteLLMAdapter] = {}
_connecting = threading.Lock()


def connect(hook_file: str) -> LiteLLMAdapter:
    """The adapter of a hook file, one per policy and process: LiteLLM loads each hook file by itself, and all share.

    The policy is `$TIER_ROUTER_POLICY`, else `routing_policy.yaml` in the folder that holds `hooks/`.
    """
    beside = Path(hook_file).resolve().parent.parent / "routing_policy.yaml"
    path = Path(os.environ.get("TIER_ROUTER_POLICY") or beside).resolve()
    with _connecting:
        if path not in _connected:
            set_up_logs()
            warn_of_missing_variables()
            deployments = DeploymentTable()
            adapter = LiteLLMAdapter(Runtime.serve(path, deployments.refuse_unknown_groups), deployments)
            _connected[path] = adapter
            _mount_routes(adapter.runtime, deployments)
            send_at_once()
            collect_quietly()
            atexit.register(_close, adapter.runtime)
            _end_normally_when_stopped()
        return _connected[path]


def _mount_routes(runtime: Runtime, deployments: DeploymentTable) -> None:
    from fastapi import Depends, HTTPException
    from litellm.proxy._types import LiteLLMRoutes, LitellmUserRoles, UserAPIKeyAuth
    from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
    from litellm.proxy.proxy_server import app

    async def visitor(user: UserAPIKeyAuth = Depends(user_api_key_auth)) -> Visitor:  # noqa: B008
        admin = user.user_role in (LitellmUserRoles.PROXY_ADMIN, LitellmUserRoles.PROXY_ADMIN_VIEW_ONLY)
        if not admin and not user.token:
            raise HTTPException(403, "this route needs a virtual key")
        budgets = await read_budgets(user, {})
        return Visitor(
            admin=admin,
            may_change=user.user_role == LitellmUserRoles.PROXY_ADMIN,
            tenant=CacheTenant(
                key=text_or_none(attribute(user, "token")) or text_or_none(attribute(user, "api_key")),
                team=team_of(user),
                org=text_or_none(attribute(user, "org_id")),
            ),
            key_alias=text_or_none(user.key_alias),
            caller=lambda policy: read_caller(policy, user, {}, budgets),
        )

    async def admin_visitor(who: Visitor = Depends(visitor)) -> Visitor:  # noqa: B008
        if not who.admin:
            raise HTTPException(403, _ADMINS)
        return who

    async def changing_visitor(who: Visitor = Depends(visitor)) -> Visitor:  # noqa: B008
        if not who.may_change:
            raise HTTPException(403, _ADMINS)
        return who

    # LiteLLM lets a virtual key into no route that it does not know; these look for themselves whose is whose.
    known = LiteLLMRoutes.self_managed_routes.value
    known.extend(route for route in FOR_ANY_KEY if route not in known)
    app.include_router(build_api(runtime, Guards(visitor, admin_visitor, changing_visitor), deployments))
    app.include_router(build_console_routes())


def _close(runtime: Runtime) -> None:
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    # LiteLLM empties its log queue in an exit handler of its own, which runs after this one: the last requests'
    # outcomes are still in that queue.
    flush = getattr(GLOBAL_LOGGING_WORKER, "_flush_on_exit", None)
    if callable(flush):
        flush()
    runtime.close()


def _end_normally_when_stopped() -> None:
    """Make SIGTERM end the interpreter instead of killing it.

    uvicorn shuts down gracefully and then raises the signal again with its default action, so that no exit handler
    runs and the last records (and LiteLLM's own last log events) are lost. Asked through `should_exit`, it returns.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    theirs = signal.getsignal(signal.SIGTERM)
    server = getattr(theirs, "__self__", None)
    if server is None or not callable(theirs) or not hasattr(server, "should_exit"):
        logger.debug("SIGTERM is not handled by uvicorn here; the last records may be lost at shutdown")
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if server.should_exit:
            theirs(number, frame)  # a second signal means now
        server.should_exit = True
        for adapter in _connected.values():
            adapter.runtime.stopping.set()

    signal.signal(signal.SIGTERM, stop)
