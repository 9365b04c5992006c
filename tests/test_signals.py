"""Signals that need no model: what they find, and that no prompt can make the search explode."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.signals import Signal, detect_signals


def found(text: str) -> frozenset[Signal]:
    return detect_signals(text, tools=0, attachments=0, json_mode=False)


@pytest.mark.parametrize(
    "text",
    [
        "```\nx\n```",
        "def add(a, b):\n    return a + b",
        "   import os",
        "#include <stdio.h>",
        "write a C++ function that sorts",
        "fix this bug in my C# code",
        "Write unit tests in python for my script",
        "SELECT name FROM users",
        "$ git push origin main",
        "Traceback (most recent call last): boom",
        "<div class='a'>",
    ],
)
def test_code_is_seen(text: str) -> None:
    assert Signal.CODE in found(text)


@pytest.mark.parametrize("text", [r"\frac{1}{2}", "Prove that n is even", "solve for x: 2*3", "x^2 + 1", "∑ of i"])
def test_mathematics_is_seen(text: str) -> None:
    assert Signal.MATH in found(text)


@pytest.mark.parametrize(
    "text", ["", "What should I cook tonight?", "Write a poem about the sea", "Who was Napoleon's second wife?"]
)
def test_plain_prose_has_no_signal(text: str) -> None:
    assert found(text) == frozenset()


@given(st.text(max_size=200), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_structural_signals_follow_the_counts_alone(text: str, tools: int, attachments: int, json_mode: bool) -> None:
    signals = detect_signals(text, tools=tools, attachments=attachments, json_mode=json_mode)
    assert (Signal.TOOLS in signals) == (tools > 0)
    assert (Signal.ATTACHMENT in signals) == (attachments > 0)
    assert (Signal.JSON in signals) == json_mode


def test_no_prompt_makes_the_search_explode() -> None:
    """Each text took seconds under a pattern that backtracks across lines; all together must take a fraction.

    In a process of its own with a limit on processor time, so that a busy machine cannot fail it.
    """
    program = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
from custom_router.signals import detect_signals
pieces = ["\\n", " ", "\\t", "{ ", "; ", "<a", "a", "$", "$=", "1 ", "1", "^", "x ", "let a", "`", "\\n ", "{\\n"]
for piece in pieces:
    for tail in ("", "!", "?", "a", "1"):
        detect_signals(piece * 8000 + tail, tools=0, attachments=0, json_mode=False)
print("done")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "done", run.stderr or run.returncode
