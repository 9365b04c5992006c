"""Files that are broken, strange or hostile: a finding with a place, never an exception."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.check import CheckFinding, check_texts
from tests.check.check_bundle import CONFIG, OUTSIDE, POLICY, Bundle

_CONFIG, _POLICY = (yaml.safe_dump(data, sort_keys=False).encode() for data in (CONFIG, POLICY))


def _check(config: bytes = _CONFIG, policy: bytes = _POLICY) -> list[CheckFinding]:
    return check_texts(config, policy, OUTSIDE, config_file="config.yaml", policy_file="policy.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1,\nb: }", "not valid YAML"),
        (b"\xff\xfe\x00a", "not UTF-8"),
        (b"- a\n- b", "is list, not a mapping"),
        (b"a: !!int ''", "not valid YAML"),
        (b"a: \x00", "not valid YAML"),
        (b"[" * 3_000, "nested too deeply"),
        (b"", "is not a list of deployments"),
        (b"model_list: {}", "is not a list of deployments"),
    ],
)
def test_a_config_that_cannot_be_used(content: bytes, said: str) -> None:
    found = _check(config=content)
    assert [f.severity for f in found if said in f.message] == ["error"]


def test_a_policy_error_keeps_its_place_and_the_config_is_still_checked(bundle: Bundle) -> None:
    bundle.policy["tiers"]["simple"]["treshold"] = 0.5
    bundle.params(0)["api_key"] = "literal-secret"
    found = {f.file: f for f in bundle.findings()}
    assert (found["policy.yaml"].path, found["policy.yaml"].line) == ("tiers.simple.treshold", 5)
    assert found["config.yaml"].message == "a secret is written in the file"


@pytest.mark.parametrize("entry", ["text", None, {}, {"model_name": "x"}, {"model_name": "x", "litellm_params": {}}])
def test_a_model_list_entry_of_another_shape(bundle: Bundle, entry: object) -> None:
    bundle.config["model_list"].append(entry)
    assert (bundle.only().message, bundle.only().path) == ("is not a deployment", "model_list.7")


def test_a_key_given_twice_is_found_where_it_stands_again() -> None:
    found = _check(config=_CONFIG + b"general_settings:\n  master_key: os.environ/MASTER\n")
    repeated = next(f for f in found if "given twice" in f.message)
    assert repeated.line == _CONFIG.count(b"\n") + 1


def test_anchors_are_read_as_litellm_reads_them(bundle: Bundle) -> None:
    text = yaml.safe_dump(bundle.config, sort_keys=False).replace("callbacks:", "callbacks: &hooks", 1)
    found = _check(config=f"{text}\nextra:\n  again: *hooks\n".encode())
    assert [f for f in found if f.severity != "note"] == []


def test_findings_are_one_line_each_and_in_file_order(bundle: Bundle) -> None:
    bundle.policy["entry_models"] = ["auto", "a\nb"]
    bundle.params(5)["timeout"] = None
    bundle.params(1)["timeout"] = None
    found = bundle.findings()
    assert [f.file for f in found] == ["policy.yaml", "config.yaml", "config.yaml"]
    assert found[1].line < found[2].line
    assert all("\n" not in str(f) for f in found)
    assert str(found[1]).startswith(
        f"config.yaml:{found[1].line}: error: model_list.1.litellm_params.timeout: beta/small"
    )


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_paths = st.sampled_from(
    [
        ("model_list",),
        ("model_list", 0),
        ("model_list", 0, "model_info"),
        ("model_list", 0, "litellm_params"),
        ("router_settings",),
        ("litellm_settings",),
        ("general_settings",),
        *[("router_settings", key) for key in CONFIG["router_settings"]],
        ("router_settings", "fallbacks", 0),
        ("router_settings", "fallbacks", 0, "tier-simple"),
        ("litellm_settings", "callbacks"),
        ("litellm_settings", "default_fallbacks"),
        *[("model_list", 0, "litellm_params", key) for key in ("model", "order", "timeout", "api_base", "max_retries")],
        *[
            ("model_list", 0, "litellm_params", key)
            for key in ("input_cost_per_token", "output_cost_per_token", "custom_llm_provider")
        ],
        *[("model_list", 0, "model_info", key) for key in ("deprecation_date", "max_input_tokens", "supports_vision")],
    ]
)


@given(path=_paths, value=_values)
@settings(max_examples=100, deadline=None)
def test_any_value_in_any_place_is_survived(path: tuple[int | str, ...], value: object) -> None:
    config: Any = yaml.safe_load(_CONFIG)
    config["model_list"][0]["model_info"] = {}
    place = config
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    for finding in _check(config=yaml.safe_dump(config, sort_keys=False).encode()):
        assert finding.line >= 0
        assert str(finding).startswith(f"{finding.file}:{finding.line}: {finding.severity.value}: ")
