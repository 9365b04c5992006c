"""A small valid bundle for each test to change."""

from __future__ import annotations

import pytest

from tests.check.check_bundle import Bundle


@pytest.fixture
def bundle() -> Bundle:
    return Bundle()
