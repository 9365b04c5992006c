"""Each rule: the valid bundle passes, one change brings exactly the finding that the rule is for."""

from __future__ import annotations

from datetime import date

import pytest

from tests.check.check_bundle import Bundle


def test_the_valid_bundle_has_no_findings(bundle: Bundle) -> None:
    assert bundle.findings() == []


def test_a_tier_without_a_model_group(bundle: Bundle) -> None:
    bundle.policy["tiers"]["medium"]["model"] = "tier-middle"
    finding = next(f for f in bundle.findings() if f.file == "policy.yaml")
    assert (finding.severity, finding.path, finding.line) == ("error", "tiers.medium.model", 6)
    assert "tier-middle" in finding.message
    assert "tier-medium" in finding.mend


def test_a_threshold_for_a_domain_that_the_model_does_not_know(bundle: Bundle) -> None:
    bundle.policy["domains"] = {"medical": {"threshold": 0.3, "rules": {"terms": ["insulin"]}}}
    (finding,) = bundle.findings()
    assert (finding.severity, finding.path) == ("error", "domains.medical.threshold")
    assert "finance" in finding.message


def test_a_tier_with_one_deployment(bundle: Bundle) -> None:
    del bundle.config["model_list"][3]
    assert "one provider only (beta)" in bundle.only().message


def test_the_same_provider_twice(bundle: Bundle) -> None:
    bundle.params(3)["model"] = "beta/mid"
    finding = bundle.only()
    assert finding.severity == "error"
    assert "one provider only (beta)" in finding.message
    assert "order: 2" in finding.mend


def test_two_hosts_of_one_kind_are_two_providers(bundle: Bundle) -> None:
    bundle.params(3).update(model="beta/mid", api_base="http://elsewhere/v1")
    assert bundle.findings() == []


def test_two_providers_without_an_order_do_not_fail_over(bundle: Bundle) -> None:
    bundle.params(3)["order"] = 1
    finding = bundle.only()
    assert finding.severity == "error"
    assert "none is a fallback" in finding.message


def test_a_fallback_of_another_tier(bundle: Bundle) -> None:
    bundle.params(3)["model"] = "beta/big"
    found = [f for f in bundle.findings() if "serves medium too" in f.message]
    assert [(f.severity, f.path) for f in found] == [("error", "model_list.5.litellm_params.model")]
    bundle.params(3)["api_base"] = "http://elsewhere/v1"  # a model of that name on a host of one's own is another
    assert not [f for f in bundle.findings() if "serves" in f.message]


@pytest.mark.parametrize("kind", ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"])
@pytest.mark.parametrize("section", ["router_settings", "litellm_settings"])
def test_a_fallback_to_a_cheaper_tier(bundle: Bundle, section: str, kind: str) -> None:
    bundle.config[section].setdefault(kind, []).append({"tier-frontier": ["tier-medium"]})
    finding = bundle.only()
    assert finding.severity == "error"
    assert finding.path.startswith(f"{section}.{kind}.")
    assert bundle.line_holds(finding, "tier-medium")


def test_a_fallback_to_the_tier_itself(bundle: Bundle) -> None:
    bundle.config["router_settings"]["fallbacks"][1]["tier-medium"] = ["tier-medium"]
    assert "not above it" in bundle.only().message


def test_a_default_fallback_below_the_frontier(bundle: Bundle) -> None:
    bundle.config["litellm_settings"]["default_fallbacks"] = ["tier-medium"]
    assert bundle.only().path == "litellm_settings.default_fallbacks.0"
    bundle.config["litellm_settings"]["default_fallbacks"] = ["tier-frontier"]
    assert bundle.findings() == []


def test_a_fallback_to_nowhere(bundle: Bundle) -> None:
    bundle.config["router_settings"]["fallbacks"][1]["tier-medium"] = ["tier-top"]
    assert "no model group 'tier-top'" in bundle.only().message


@pytest.mark.parametrize("kind", ["fallbacks", "context_window_fallbacks"])
def test_a_tier_without_a_fallback(bundle: Bundle, kind: str) -> None:
    del bundle.config["router_settings"][kind][0]
    finding = bundle.only()
    assert finding.severity == "warning"
    assert "tier-simple" in finding.message
    assert "[tier-medium, tier-frontier]" in finding.mend


def test_an_unknown_price(bundle: Bundle) -> None:
    bundle.params(0)["model"] = "alpha/unheard-of"
    finding = bundle.only()
    assert finding.severity == "error"
    assert finding.message == "no price is known for alpha/unheard-of"
    bundle.params(0).update(input_cost_per_token=1e-7, output_cost_per_token=2e-7)
    assert bundle.findings() == []


def test_prices_that_fall_as_the_tier_rises(bundle: Bundle) -> None:
    bundle.params(1).update(input_cost_per_token=2e-6, output_cost_per_token=2e-6)
    finding = bundle.only()
    assert finding.severity == "error"
    # gamma/mid: (3 · 0.7 + 4) / 4 dollars per million
    assert "$2 " in finding.message
    assert "$1.52" in finding.message
    assert "beta/small" in finding.message


def test_equal_prices_are_not_a_finding(bundle: Bundle) -> None:
    bundle.params(1).update(input_cost_per_token=7e-7, output_cost_per_token=4e-6)
    assert bundle.findings() == []


def test_a_model_past_its_date(bundle: Bundle) -> None:
    bundle.params(2)["model"] = "beta/old"
    finding = bundle.only()
    assert finding.severity == "error"
    assert "withdrawn on 2026-05-31" in finding.message
    assert bundle.line_holds(finding, "beta/old")


def test_a_model_on_its_last_sixty_days(bundle: Bundle) -> None:
    bundle.params(2)["model"] = "beta/ageing"
    assert (bundle.only().severity, "in 60 days" in bundle.only().message) == ("warning", True)
    bundle.know(today=date(2026, 5, 31))
    assert bundle.findings() == []


def test_an_entry_model_that_authentication_does_not_know(bundle: Bundle) -> None:
    bundle.policy["entry_models"] = ["auto", "smart"]
    finding = bundle.only()
    assert (finding.severity, finding.file, finding.path) == ("error", "policy.yaml", "entry_models.1")
    assert "{smart: tier-frontier}" in finding.mend


def test_an_entry_model_that_does_not_lead_to_the_frontier(bundle: Bundle) -> None:
    bundle.config["router_settings"]["model_group_alias"]["auto"] = "tier-simple"
    finding = bundle.only()
    assert finding.severity == "error"
    assert finding.path == "router_settings.model_group_alias.auto"
    bundle.config["router_settings"]["model_group_alias"]["auto"] = {"model": "tier-frontier", "hidden": False}
    assert bundle.findings() == []


def test_an_entry_model_that_is_a_group_of_its_own(bundle: Bundle) -> None:
    del bundle.config["router_settings"]["model_group_alias"]
    bundle.config["model_list"].append({"model_name": "auto", "litellm_params": {"model": "alpha/big"}})
    assert bundle.only().severity == "warning"


@pytest.mark.parametrize(("left", "lost"), [("post", "nothing is routed"), ("pre", "no records")])
def test_a_callback_that_is_not_registered(bundle: Bundle, left: str, lost: str) -> None:
    bundle.config["litellm_settings"]["callbacks"] = [f"hooks.{left}_call.handler"]
    finding = bundle.only()
    assert finding.severity == "error"
    assert lost in finding.message


def test_a_registered_callback_without_its_file(bundle: Bundle) -> None:
    bundle.know(hook_files={"pre_call.py", "cache_hit.py"})
    assert "no hooks/post_call.py" in bundle.only().message


@pytest.mark.parametrize("timeout", [None, 0, -3, True, "soon"])
def test_a_deployment_without_a_timeout(bundle: Bundle, timeout: object) -> None:
    bundle.params(4)["timeout"] = timeout
    finding = bundle.only()
    assert finding.severity == "error"
    assert "alpha/big" in finding.message


def test_a_frontier_that_is_blind_where_a_cheaper_tier_sees(bundle: Bundle) -> None:
    bundle.config["model_list"][5]["model_info"] = {"supports_vision": False}
    finding = bundle.only()
    assert finding.severity == "error"
    assert "beta/big cannot see images" in finding.message
    bundle.config["model_list"][3]["model_info"] = {"supports_vision": False}
    assert bundle.findings() == []


def test_notes_say_what_each_deployment_can_do(bundle: Bundle) -> None:
    notes = [f.message for f in bundle.all() if f.severity == "note"]
    assert "simple: alpha/small: logprobs yes; vision no; input window unknown" in notes
    assert "simple: beta/small: logprobs yes, without top_logprobs; vision no; input window unknown" in notes
    assert "frontier: alpha/big: logprobs no; vision yes; input window 200,000" in notes
    assert "medium: beta/mid: logprobs unknown; vision yes; input window unknown" in notes


@pytest.mark.parametrize(
    ("section", "key"),
    [("litellm_params", "api_key"), ("litellm_params", "aws_secret_access_key"), ("general_settings", "master_key")],
)
def test_a_secret_in_the_file_is_named_but_never_shown(bundle: Bundle, section: str, key: str) -> None:
    secret = "hunter2-hunter2"
    (bundle.params(0) if section == "litellm_params" else bundle.config[section])[key] = secret
    finding = bundle.only()
    assert finding.severity == "error"
    assert finding.path.endswith(key)
    assert bundle.line_holds(finding, secret)
    assert not any(secret in str(f) for f in bundle.all())


def test_a_secret_is_known_by_its_looks_too(bundle: Bundle) -> None:
    bundle.params(0)["extra_headers"] = {"x-custom": "sk-abcdefghijklmnop123"}
    assert bundle.only().path == "model_list.0.litellm_params.extra_headers.x-custom"


def test_an_unset_variable_is_reported_once(bundle: Bundle) -> None:
    bundle.know(environment={"ALPHA_KEY": "x", "GAMMA_KEY": "x", "MASTER": "x", "BETA_KEY": ""})
    finding = bundle.only()
    assert (finding.severity, finding.message) == ("warning", "BETA_KEY is not set")
    assert finding.path == "model_list.1.litellm_params.api_key"
    bundle.know(require_keys=True)
    assert bundle.only().severity == "error"


def test_a_master_key_that_is_not_set_here_is_a_warning_and_one_that_is_nowhere_an_error(bundle: Bundle) -> None:
    known = {name: "set" for name in bundle.outside.environment if name != "MASTER"}
    bundle.know(environment=known)
    finding = bundle.only()
    assert (finding.severity, finding.path) == ("warning", "general_settings.master_key")
    assert "MASTER is not set: without one LiteLLM asks nobody for a key" in finding.message
    bundle.config["general_settings"] = {}
    finding = bundle.only()
    assert (finding.severity, finding.path) == ("error", "general_settings.master_key")
    assert "no master key" in finding.message
    assert "os.environ/LITELLM_MASTER_KEY" in finding.mend
    del bundle.config["general_settings"]
    assert bundle.only().message == finding.message


@pytest.mark.parametrize("how", ["variable", "custom_auth"])
def test_a_proxy_that_asks_for_keys_otherwise_needs_none_in_the_file(bundle: Bundle, how: str) -> None:
    bundle.config["general_settings"] = {"custom_auth": "own.auth"} if how == "custom_auth" else {}
    if how == "variable":
        bundle.know(environment={**bundle.outside.environment, "LITELLM_MASTER_KEY": "set"})
    assert bundle.findings() == []


@pytest.mark.parametrize("section", ["router_settings", "litellm_settings"])
def test_retries_come_after_failing_over(bundle: Bundle, section: str) -> None:
    del bundle.config["router_settings"]["num_retries"]
    bundle.config[section]["num_retries"] = 3
    finding = bundle.only()
    assert (finding.severity, finding.path) == ("warning", f"{section}.num_retries")


def test_retries_that_nobody_set_are_two(bundle: Bundle) -> None:
    del bundle.config["router_settings"]["num_retries"]
    assert "retries 2 times" in bundle.only().message


@pytest.mark.parametrize("key", ["num_retries", "max_retries"])
def test_a_deployment_that_is_retried(bundle: Bundle, key: str) -> None:
    bundle.params(2)[key] = 1
    assert bundle.only().path == f"model_list.2.litellm_params.{key}"


def test_a_cache_that_nothing_serves(bundle: Bundle) -> None:
    del bundle.config["model_list"][-1]
    finding = bundle.only()
    assert (finding.severity, finding.path) == ("warning", "model_list")
    assert "tier-router-cache/stored-answer" in finding.mend
    bundle.policy["cache"] = {"enabled": False}
    assert bundle.findings() == []


@pytest.mark.parametrize("price", [None, 1e-6])
def test_stored_answers_that_are_not_free(bundle: Bundle, price: float | None) -> None:
    bundle.params(-1)["input_cost_per_token"] = price
    finding = bundle.only()
    assert finding.severity == "error"
    assert "input_cost_per_token: 0" in finding.mend


@pytest.mark.parametrize("given", [None, [], [{"provider": "tier-router-cache", "custom_handler": "other.handler"}]])
def test_a_provider_of_stored_answers_that_is_not_ours(bundle: Bundle, given: object) -> None:
    bundle.config["litellm_settings"]["custom_provider_map"] = given
    finding = bundle.only()
    assert finding.severity == "error"
    assert finding.path.startswith("litellm_settings")
    assert "hooks.cache_hit.handler" in finding.mend


def test_a_provider_of_stored_answers_without_its_file(bundle: Bundle) -> None:
    bundle.know(hook_files={"pre_call.py", "post_call.py"})
    assert "hooks/cache_hit.py" in bundle.only().message
