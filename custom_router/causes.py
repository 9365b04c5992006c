"""Machine-readable reasons for what happened to a request: the only vocabulary of records, headers and metrics."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a request was answered where it was. Each member's docstring-like text is in `MEANING`."""

    SCORE = "score"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    DOMAIN_RULE = "domain_rule"
    DOMAIN_MODEL = "domain_model"
    DOMAIN_HEADER = "domain_header"
    DOMAIN_CALLER = "domain_caller"
    DOMAIN_OVER_CAP = "domain_over_cap"
    CAP_OVER_DOMAIN = "cap_over_domain"
    SIGNAL_CODE = "signal_code"
    SIGNAL_MATH = "signal_math"
    SIGNAL_TOOLS = "signal_tools"
    SIGNAL_ATTACHMENT = "signal_attachment"
    SIGNAL_LONG_CONTEXT = "signal_long_context"
    SIGNAL_JSON = "signal_json"
    INTENT_FLOOR = "intent_floor"
    VISION_REQUIRED = "vision_required"
    CONTEXT_WINDOW = "context_window"
    NO_CAPABLE_TIER = "no_capable_tier"
    CONVERSATION_FLOOR = "conversation_floor"
    CONVERSATION_KEPT = "conversation_kept"
    CONVERSATION_UNKNOWN = "conversation_unknown"
    CALLER_FLOOR = "caller_floor"
    CALLER_CAP = "caller_cap"
    CALLER_POLICY_MALFORMED = "caller_policy_malformed"
    NEAR_BUDGET = "near_budget"
    HEADER_FLOOR = "header_floor"
    HEADER_INVALID = "header_invalid"
    MALFORMED_REQUEST = "malformed_request"
    ENCODER_UNAVAILABLE = "encoder_unavailable"
    ENCODER_BUSY = "encoder_busy"
    ENCODER_TIMEOUT = "encoder_timeout"
    ENCODER_BREAKER_OPEN = "encoder_breaker_open"
    CLASSIFIER_ERROR = "classifier_error"
    VLLM_UNAVAILABLE = "vllm_unavailable"
    VLLM_BUSY = "vllm_busy"
    VLLM_TIMEOUT = "vllm_timeout"
    VLLM_BREAKER_OPEN = "vllm_breaker_open"
    VLLM_UNUSABLE = "vllm_unusable"
    RULES_TIMEOUT = "rules_timeout"
    ENGINE_ERROR = "engine_error"
    MODE_OFF = "mode_off"
    MODE_SHADOW = "mode_shadow"
    TIER_FALLBACK = "tier_fallback"
    PROVIDER_FALLBACK = "provider_fallback"
    FALLBACK_OVER_BUDGET = "fallback_over_budget"
    GATE_LOW_CONFIDENCE = "gate_low_confidence"
    GATE_FAILURE = "gate_failure"
    GATE_NO_SIGNAL = "gate_no_signal"
    GATE_STRAIGHT_UP = "gate_straight_up"
    GATE_OVER_CAP = "gate_over_cap"
    GATE_OVER_BUDGET = "gate_over_budget"
    GATE_NOT_WORTH = "gate_not_worth"
    GATE_ESCALATION_FAILED = "gate_escalation_failed"
    GATE_ESCALATION_TIMEOUT = "gate_escalation_timeout"
    GATE_ERROR = "gate_error"
    CLIENT_GONE = "client_gone"
    CACHE_TIMEOUT = "cache_timeout"
    CACHE_UNAVAILABLE = "cache_unavailable"
    CACHE_BREAKER_OPEN = "cache_breaker_open"
    CACHE_ERROR = "cache_error"
    CACHE_LOST = "cache_lost"


MEANING: dict[Cause, str] = {
    Cause.SCORE: "the classifier's p_ok reached this tier's threshold, or no cheaper tier's",
    Cause.OUT_OF_DISTRIBUTION: "unlike the classifier's training data, so sent up",
    Cause.DOMAIN_RULE: "a domain's terms, phrases or patterns matched",
    Cause.DOMAIN_MODEL: "the domain model's probability reached the domain's threshold",
    Cause.DOMAIN_HEADER: "the request named the domain in x-router-domain",
    Cause.DOMAIN_CALLER: "the key or team is bound to the domain",
    Cause.DOMAIN_OVER_CAP: "the domain's tier is above the caller's cap and the policy lets the domain win",
    Cause.CAP_OVER_DOMAIN: "the domain's tier is above the caller's cap and the policy lets the cap win",
    Cause.SIGNAL_CODE: "the prompt holds code and the policy sets a floor for code",
    Cause.SIGNAL_MATH: "the prompt holds mathematics and the policy sets a floor for it",
    Cause.SIGNAL_TOOLS: "the request offers tools and the policy sets a floor for tools",
    Cause.SIGNAL_ATTACHMENT: "the request carries an attachment and the policy sets a floor for it",
    Cause.SIGNAL_LONG_CONTEXT: "the prompt is longer than the policy's long-context limit",
    Cause.SIGNAL_JSON: "the request asks for JSON and the policy sets a floor for it",
    Cause.INTENT_FLOOR: "the policy sets a floor for what the request asks for, its intent",
    Cause.VISION_REQUIRED: "an image is present and a cheaper tier has a deployment without vision",
    Cause.CONTEXT_WINDOW: "the prompt does not fit a cheaper tier's context window",
    Cause.NO_CAPABLE_TIER: "no tier within the cap can take this request: an image is refused, all else sent on",
    Cause.CONVERSATION_FLOOR: "the conversation had already reached this tier",
    Cause.CONVERSATION_KEPT: "a tool loop or a short confirmation keeps the tier of the turn it continues",
    Cause.CONVERSATION_UNKNOWN: "the provider keeps the earlier turns, and which tier answered them is not known",
    Cause.CALLER_FLOOR: "the key's or team's min_tier",
    Cause.CALLER_CAP: "the key's or team's max_tier lowered the tier",
    Cause.CALLER_POLICY_MALFORMED: "the key's or team's router metadata is malformed; the strictest reading applies",
    Cause.NEAR_BUDGET: "a budget of the caller's is nearly used up, and the policy lowers its cap then",
    Cause.HEADER_FLOOR: "the request asked for at least this tier in x-router-tier",
    Cause.HEADER_INVALID: "an x-router-* request header has an unknown value and was ignored",
    Cause.MALFORMED_REQUEST: "the request body could not be read as its API's shape",
    Cause.ENCODER_UNAVAILABLE: "the sentence encoder is not loaded (yet)",
    Cause.ENCODER_BUSY: "the encoder's queue is full",
    Cause.ENCODER_TIMEOUT: "the encoder did not answer within its latency budget",
    Cause.ENCODER_BREAKER_OPEN: "the encoder failed repeatedly and is being left alone for a while",
    Cause.CLASSIFIER_ERROR: "the classifier raised",
    Cause.VLLM_UNAVAILABLE: "the vLLM classifier is not reachable, or its canary has not succeeded (yet)",
    Cause.VLLM_BUSY: "too many questions to the vLLM classifier are under way",
    Cause.VLLM_TIMEOUT: "the vLLM classifier did not answer within its latency budget",
    Cause.VLLM_BREAKER_OPEN: "the vLLM classifier failed repeatedly and is not waited for for a while",
    Cause.VLLM_UNUSABLE: "the vLLM classifier's answer holds no usable probabilities",
    Cause.RULES_TIMEOUT: "a domain pattern ran out of time, which counts as a match",
    Cause.ENGINE_ERROR: "an unexpected error inside the router; the default tier answered",
    Cause.MODE_OFF: "the policy's mode is off: the default tier answered",
    Cause.MODE_SHADOW: "the policy's mode is shadow: decided and recorded, the default tier answered",
    Cause.TIER_FALLBACK: "the tier's deployments all failed and LiteLLM fell back to a higher tier",
    Cause.PROVIDER_FALLBACK: "a deployment failed and the tier's other provider answered",
    Cause.FALLBACK_OVER_BUDGET: "the tier failed, and a higher one would have overrun the caller's budget",
    Cause.GATE_LOW_CONFIDENCE: "the answer's calibrated confidence was below the gate's threshold",
    Cause.GATE_FAILURE: "the answer had a plain fault (empty, cut, refused, invalid), or its stream broke while held",
    Cause.GATE_NO_SIGNAL: "nothing was known of the answer and the policy sends such answers up",
    Cause.GATE_STRAIGHT_UP: "this tier's answers are escalated so often that trying it costs more than going up",
    Cause.GATE_OVER_CAP: "the answer was to be escalated, but the caller's cap allows no higher tier",
    Cause.GATE_OVER_BUDGET: "the answer was to be escalated, but that would overrun the caller's budget",
    Cause.GATE_NOT_WORTH: "escalating costs more than the better answer is worth by the policy's answer_value_usd",
    Cause.GATE_ESCALATION_FAILED: "the higher tier failed, so the cheap answer was delivered",
    Cause.GATE_ESCALATION_TIMEOUT: "the higher tier was too slow, so the cheap answer was delivered",
    Cause.GATE_ERROR: "an unexpected error while judging an answer; it was treated as one without a signal",
    Cause.CLIENT_GONE: "the client left while its answer was being judged or replaced",
    Cause.CACHE_TIMEOUT: "the cache's store did not answer within its deadline; the request went on without it",
    Cause.CACHE_UNAVAILABLE: "the cache's store could not be reached, or refused; the request went on without it",
    Cause.CACHE_BREAKER_OPEN: "the cache's store failed repeatedly and is being left alone for a while",
    Cause.CACHE_ERROR: "an unexpected error in the cache; the request went on without it",
    Cause.CACHE_LOST: "the stored answer that was found could not be served, so a tier answered",
}
