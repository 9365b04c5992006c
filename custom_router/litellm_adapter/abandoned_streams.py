"""Streams that nobody reads to their end, which Python's garbage collector ends at any moment of any other request."""

from __future__ import annotations


def collect_quietly() -> None:
    """Have no collected stream of LiteLLM touch the context variables of the request that happens to run.

    LiteLLM 1.106 gives its streams a finalizer that sets two variables of its log lines, also where that feature is
    off. Within `ContextVar.set` that is a use after free in CPython (github.com/python/cpython/issues/148891): the
    worker dies, or the request loses variables. LiteLLM calls the finalizer a best effort; a stream that is read to its
    end, fails or is closed restores the variables without it.
    """
    from litellm.litellm_core_utils.streaming_handler import CustomStreamWrapper

    if "__del__" in vars(CustomStreamWrapper):
        del CustomStreamWrapper.__del__
