"""Who asks, as LiteLLM authenticated it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from custom_router.litellm_adapter.reading import team_of


@pytest.mark.parametrize(("team_id", "team"), [("support", "support"), ("litellm-dashboard", None), (None, None)])
def test_those_who_log_in_to_litellms_pages_share_no_team(team_id: str | None, team: str | None) -> None:
    assert team_of(SimpleNamespace(team_id=team_id)) == team
