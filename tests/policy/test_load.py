"""Policy files that are wrong in every way: one clear finding each, and never another exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from custom_router.policy import CacheScope, Finding, Mode, Policy, PolicyError
from custom_router.policy.load import MAX_BYTES, read_yaml
from custom_router.tiers import TIERS, Tier

GOOD = """\
mode: enforce
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium:
    model: tier-medium
    threshold: 0.6
  frontier: {model: tier-frontier}
domains:
  finance:
    rules:
      terms: [mortgage, loan]
      patterns: ['\\bIBAN\\b']
"""


def findings(text: str | bytes) -> list[Finding]:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, source="policy.yaml")
    assert caught.value.findings
    for finding in caught.value.findings:
        assert "\n" not in str(finding), "one line for each finding"
        assert str(finding) in str(caught.value)
        assert finding.file == "policy.yaml"
    return caught.value.findings


def only(text: str | bytes) -> Finding:
    (finding,) = findings(text)
    return finding


def test_a_good_file_loads_and_its_version_names_its_content() -> None:
    policy = Policy.parse(GOOD, source="policy.yaml")
    assert policy.document.mode is Mode.ENFORCE
    assert policy.version == Policy.parse(GOOD.encode()).version
    assert policy.version != Policy.parse(GOOD + "# a comment\n").version


@pytest.mark.parametrize(
    ("edit", "line", "path", "says"),
    [
        (("mode: enforce", "moed: enforce"), 1, "moed", "unknown key"),
        (("threshold: 0.6}", "treshold: 0.6}"), 3, "tiers.simple.treshold", "unknown key"),
        (("    threshold: 0.6\n", "    threshold: 1.4\n"), 6, "tiers.medium.threshold", "1.4"),
        (("    threshold: 0.6\n", "    threshold: -0.1\n"), 6, "tiers.medium.threshold", "-0.1"),
        (("    threshold: 0.6\n", "    threshold: .nan\n"), 6, "tiers.medium.threshold", "nan"),
        (("    threshold: 0.6\n", "    threshold: high\n"), 6, "tiers.medium.threshold", "high"),
        (("    threshold: 0.6\n", "    threshold: false\n"), 6, "tiers.medium.threshold", "False"),
        (("    threshold: 0.6\n", "    threshold: off\n"), 6, "tiers.medium.threshold", "off"),
        (("    threshold: 0.6\n", ""), 2, "tiers", "medium: a threshold"),
        (("mode: enforce", "mode: on"), 1, "mode", "'shadow'"),
        (("[mortgage, loan]", "mortgage"), 11, "domains.finance.rules.terms", "mortgage"),
        (("[mortgage, loan]", "[mortgage, '  ']"), 11, "domains.finance.rules.terms", "empty entry"),
        (("'\\bIBAN\\b'", "'IBAN('"), 12, "domains.finance.rules.patterns", "RE2: missing"),
        (("'\\bIBAN\\b'", "'x*'"), 12, "domains.finance.rules.patterns", "every request"),
        (("[mortgage, loan]", "[mortgage, 7]"), 11, "domains.finance.rules.terms.1", "7"),
        (("  finance:", "  Finance:"), 8, "domains", "lower-case"),
        (("model: tier-simple", "model: tier-medium"), 2, "tiers", "model group"),
        (("model: tier-simple", "model: auto"), 1, "", "entry_models"),
        (("mode: enforce", "callers: {min_tier: frontier, max_tier: simple}"), 1, "", "min_tier"),
        (("mode: enforce", "records: {segment_mb: .inf}"), 1, "records.segment_mb", "finite"),
        (("mode: enforce", "latency_budget_ms: {encoder: .inf}"), 1, "latency_budget_ms.encoder", "finite"),
        (("mode: enforce", "signals: {poetry: medium}"), 1, "signals.poetry", "poetry"),
    ],
)
def test_a_mistake_is_reported_at_its_line_and_path(edit: tuple[str, str], line: int, path: str, says: str) -> None:
    assert edit[0] in GOOD
    found = findings(GOOD.replace(*edit, 1))
    match = [f for f in found if f.path == path]
    assert match, found
    assert (match[0].line, says in match[0].message) == (line, True), match[0]


def test_every_mistake_is_reported_not_only_the_first() -> None:
    text = GOOD.replace("mode: enforce", "mode: fast").replace("threshold: 0.6}", "threshold: 7}")
    assert {(f.line, f.path) for f in findings(text)} == {(1, "mode"), (3, "tiers.simple.threshold")}


@pytest.mark.parametrize("word", ["off", "shadow", "enforce"])
def test_bare_off_is_a_word_everywhere(word: str) -> None:
    """YAML 1.1 reads a bare `off` as a boolean; a policy would then refuse its own vocabulary."""
    policy = Policy.parse(GOOD.replace("enforce", word) + "    cache: off\n    gate: on\nrecords: {log_text: off}\n")
    assert policy.document.mode == word
    assert policy.document.domains["finance"].cache is CacheScope.OFF
    assert policy.document.domains["finance"].gate == "on"


@pytest.mark.parametrize(("word", "meaning"), [("off", False), ("on", True), ("true", True), ("no", False)])
def test_switches_take_every_spelling(word: str, meaning: bool) -> None:
    policy = Policy.parse(f"{GOOD}conversations: {{sticky: {word}}}\n")
    assert policy.document.conversations.sticky is meaning


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "is empty"),
        ("# nothing but a comment\n", 0, "is empty"),
        ("---\n", 2, "is empty"),
        ("{}", 1, "is empty"),
        ("- a\n- b\n", 1, "holds a list"),
        ("just words", 1, "holds a str"),
        ("42", 1, "holds a int"),
        (GOOD + "mode: off\n", 13, "given twice"),
        (GOOD.replace("[mortgage, loan]", "{a: 1, a: 2}"), 11, "given twice"),
        ("a: &x [1]\nb: *x\n", 2, "aliases"),
        ("tiers:\n\tsimple: 1\n", 2, "'\\t'"),
        ("a: [1, 2\nb: 3\n", 2, "expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: b\nc: \x07\n", 2, "U+0007"),
        ("a\0b", 1, "U+0000"),
        ("a: !!python/object:os.system x\n", 1, "constructor"),
        ("? [a, b]\n: c\n", 1, "cannot be a key"),
        ("a: !!int ''\n", 0, "cannot be read"),
        ("a: !!bool maybe\n", 0, "cannot be read"),
        ("a: 2024-13-45\n", 0, "cannot be read"),
        ("a: '\n", 2, "end of stream"),
        ("[" * 5_000, 0, "nested too deeply"),
        ("a: " + "{a: " * 5_000, 0, "nested too deeply"),
        (b"a: ok\nb: \xff\xfe\n", 2, "UTF-8"),
        ("mode: \ud800", 1, "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", 1, "UTF-8"),
    ],
)
def test_what_is_no_policy_at_all_says_so(text: str | bytes, line: int, says: str) -> None:
    finding = only(text)
    assert says in finding.message
    assert finding.line == line


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 40)]
    assert "aliases" in only("\n".join(lines)).message


def test_an_empty_file_says_how_to_begin() -> None:
    assert "tier-router init" in only("").message


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    marked = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert Policy.parse(marked).document == Policy.parse(GOOD).document


def test_read_yaml_of_an_empty_file_is_an_empty_mapping() -> None:
    assert read_yaml(b"", "x.yaml") == {}


# ---------------------------------------------------------------- files


def unreadable(path: Path) -> Finding:
    with pytest.raises(PolicyError) as caught:
        Policy.load(path)
    (finding,) = caught.value.findings
    assert finding.file == str(path)
    return finding


def test_a_missing_file_names_the_mend(tmp_path: Path) -> None:
    assert "tier-router init" in unreadable(tmp_path / "none.yaml").message


def test_a_directory_a_loop_and_an_impossible_name_are_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    for path in (tmp_path, loop, Path("a\0b.yaml"), tmp_path / ("x" * 5_000)):
        assert "cannot be read" in unreadable(path).message


def test_a_huge_file_is_refused_without_being_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: [" + b"x, " * (5 * 2**20 // 3) + b"]")
    assert "larger than" in unreadable(path).message
    endless = Path("/dev/zero")
    if endless.exists():
        assert "larger than" in unreadable(endless).message
    assert path.stat().st_size > MAX_BYTES


# ---------------------------------------------------------------- whatever else


@settings(max_examples=150, deadline=None)
@given(st.text() | st.binary())
@example("a: !!float ''")
@example("a: !!timestamp x")
@example("a: 0b_")
@example("!!set {a, b}")
@example("!!omap [a]")
@example("!!binary é")
@example("%YAML 9.9\n---\n")
@example("? ? ? a")
@example("<<: 1")
@example("<<: [1]")
@example("= : =")
def test_nothing_but_policy_error_comes_out(raw: str | bytes) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(raw)
    assert all(f.message for f in caught.value.findings)


_scalars = st.sampled_from(
    ["off", "on", "frontier", "-1", "1e9", ".nan", ".inf", "~", "[]", "{}", "''", "!!int x", "&a b", "*a", "\\", "'"]
)
_lines = [number for number, line in enumerate(GOOD.splitlines()) if ":" in line]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_lines), _scalars | st.text(max_size=10), st.booleans())
def test_a_damaged_good_file_loads_or_explains_itself(number: int, value: str, replace_key: bool) -> None:
    lines = GOOD.splitlines()
    key, _, rest = lines[number].partition(":")
    lines[number] = f"{value}:{rest}" if replace_key else f"{key}: {value}"
    text = "\n".join(lines)
    found: list[Finding] = []
    try:
        document = Policy.parse(text).document
    except PolicyError as error:
        found = error.findings
    else:
        assert all(document.tiers[tier].model for tier in TIERS)
    assert all(0 <= finding.line <= len(text.splitlines()) + 1 for finding in found)


def test_the_policy_of_last_resort_sends_everything_to_the_frontier() -> None:
    document = Policy.safe("x.yaml").document
    assert (document.mode, document.default_tier) == (Mode.OFF, Tier.FRONTIER)
