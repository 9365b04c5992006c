"""A stream that is given up and collected while another request runs leaves that request's context alone."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import copy_context
from typing import Any

import litellm
from litellm._logging import session_id_var, trace_id_var
from litellm.litellm_core_utils.streaming_handler import CustomStreamWrapper

from custom_router.litellm_adapter.abandoned_streams import collect_quietly
from tests.e2e.conftest import wait_until

MESSAGES = [{"role": "user", "content": "Hello?"}]


async def test_a_collected_stream_sets_no_context_variable() -> None:
    collect_quietly()
    collect_quietly()  # once more changes nothing
    stream: Any = await litellm.acompletion("openai/any", MESSAGES, mock_response="Hello.", stream=True)
    assert isinstance(stream, CustomStreamWrapper)
    stream.logging_obj._pre_call_trace_id = "what was before that stream"
    own = stream.logging_obj._own_trace_id, stream.logging_obj._own_session_id
    stream.itself = stream  # as when a traceback holds it: only the collector can end it now
    there = weakref.ref(stream)
    del stream
    # LiteLLM's executor lets go of it a moment later; then only the stream holds itself.
    await asyncio.to_thread(wait_until, lambda: len(gc.get_referrers(there())) == 1)

    def collected() -> tuple[str, str]:
        trace_id_var.set(own[0])
        session_id_var.set(own[1])
        gc.collect()
        assert there() is None
        return trace_id_var.get(), session_id_var.get()

    assert copy_context().run(collected) == own


async def test_a_stream_read_to_its_end_restores_them_as_before() -> None:
    collect_quietly()
    stream: Any = await litellm.acompletion("openai/any", MESSAGES, mock_response="Hello.", stream=True)
    stream.logging_obj._pre_call_trace_id = "what was before that stream"
    async for _ in stream:
        pass
    assert trace_id_var.get() == "what was before that stream"
