import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.domains.base import DomainMatch
from custom_router.domains.patterns import compile_pattern
from custom_router.domains.rules import DomainRules
from custom_router.domains.text import RuleText, normalise
from custom_router.policy.schema import Rules

DEADLINE_S = 30.0
"""Far beyond any search here, so that a busy machine cannot turn a miss into a timeout."""


def compiled(**rules: tuple[str, ...]) -> DomainRules:
    return DomainRules.compile("finance", Rules(**rules))


def rule(rules: DomainRules, text: str) -> str | None:
    match = rules.match(text, DEADLINE_S)
    return match.rule if match else None


def test_a_match_names_domain_score_and_rule() -> None:
    assert compiled(terms=("mortgage",)).match("My MORTGAGE?", DEADLINE_S) == DomainMatch(
        "finance", 1.0, "term:mortgage"
    )
    assert rule(compiled(phrases=("Return on Equity",)), "the return  on\n\tequity") == "phrase:Return on Equity"
    assert rule(compiled(patterns=(r"\bzzz\b", r"tax\w* refund")), "TAXES refund") == "pattern:2"


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("IRS", "first come, first served"),
        ("VAT", "a private talk"),
        ("10-K", "the 110-Kelvin mark"),
        ("401(k)", "route 1401(k)"),
        ("impôt", "impôts"),
        ("лог", "налог"),
        ("लोन", "लोना"),
        ("ضريبة", "الضريبة"),
        ("cafe", "cafe\u0301s"),
    ],
)
def test_a_term_inside_a_longer_word_is_no_match(term: str, text: str) -> None:
    assert rule(compiled(terms=(term,)), text) is None


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("IRS", "(irs)"),
        ("401(k)", "my 401(k), please"),
        ("P&L", "the P&L."),
        ("10-K", "read the 10‑K"),
        ("taux d'intérêt", "le taux d’intérêt actuel"),
        ("税", "所得税の申告"),
        ("GDPR", "请解释GDPR的要求"),
        ("契約", "この契約書を確認して"),
        ("القرض", "كيف أسدد القرض؟"),
        ("तलाक", "तलाक कैसे लें?"),
        ("straße", "STRASSE"),
        ("mortgage", "ｍｏｒｔｇａｇｅ rates"),
        ("mortgage", "mort\u00adgage"),
        ("breach of contract", "Breach\u00a0of \n contract"),
        ("ipo", "an IPO"),
    ],
)
def test_a_term_matches_as_whole_words_in_any_script(term: str, text: str) -> None:
    assert rule(compiled(terms=(term,)), text) == f"term:{term}"


def test_the_longer_of_two_terms_with_one_beginning_is_named() -> None:
    rules = compiled(terms=("tax", "tax return", "tax returns"))
    assert rule(rules, "tax returns") == "term:tax returns"
    assert rule(rules, "tax return.") == "term:tax return"
    assert rule(rules, "tax returned") == "term:tax"


def test_exclusions_are_removed_first_and_leave_no_bridge() -> None:
    rules = compiled(terms=("bank", "red line"), exclusions=("river bank", "thin"))
    assert rule(rules, "sat on the River  Bank") is None
    assert rule(rules, "from the river bank to the bank") == "term:bank"
    assert rule(rules, "driver bank") == "term:bank"
    assert rule(rules, "red thin line") is None


def test_exclusions_that_overlap_are_all_removed() -> None:
    rules = compiled(terms=("bank", "account class", "a b"), exclusions=("river bank", "bank account", "b"))
    assert rule(rules, "river bank account class") is None
    assert rule(rules, "river bank account, account class") == "term:account class"
    assert rule(rules, "a b a") is None


def test_patterns_keep_white_space_and_see_exclusions_removed_whatever_its_kind() -> None:
    rules = compiled(patterns=(r"loan\t\tterm", r"red\W+line"), exclusions=("thin ice", "no loan"))
    assert rule(rules, "  a\n\nthin   ice  loan\t\tterm") == "pattern:1"
    assert rule(rules, "\n no \n\n loan\t\tterm") is None
    assert rule(rules, " red  thin \n ice  line") == "pattern:2"
    assert rule(rules, "red thin line") is None


def test_one_reading_of_a_text_serves_many_domains() -> None:
    text = RuleText.of("The\u00a0 MORTGAGE")
    assert text == RuleText("the  mortgage", "the mortgage")
    assert compiled(terms=("the mortgage",)).match(text, DEADLINE_S) is not None


def test_an_entry_of_invisible_characters_names_nothing() -> None:
    assert rule(compiled(terms=("\u00ad", "tax"), exclusions=("\u200b",)), "no \u00ad tax") == "term:tax"


def test_patterns_that_are_reached_too_late_count_as_a_match() -> None:
    rules = compiled(patterns=(r"tax\w*",))
    assert rules.match("b", 0.0) == DomainMatch("finance", 1.0, "timeout")
    assert rule(rules, "b") is None


@pytest.mark.parametrize("pattern", [r"(a|aa)+$", r"(?:a?){60}a{60}$", r"(.*a){12}$"])
def test_no_pattern_can_run_away(pattern: str) -> None:
    """Each takes a backtracking engine longer than the age of the world on this text."""
    assert rule(compiled(patterns=(pattern,)), "a" * 5_000 + "b") is None


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(tax", "missing"),
        ("[a-", "missing"),
        ("(" * 2_000, "not a regular expression"),
        (r"(?<=income )tax", "look-around"),
        (r"(tax) \1", "back-references"),
        (r"\bübersicht", "terms"),
        (r"\b(?:öl|gas)\b", "terms"),
        ("\ud800", "not a regular expression"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_the_mend(pattern: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        compile_pattern(pattern)


def test_no_rules_match_nothing() -> None:
    assert rule(compiled(), "mortgage") is None


@pytest.mark.parametrize("text", ["", "\0", "\ud800 lone", "a" * 300_000, " " * 300_000, "\ufdfa" * 20_000])
def test_hostile_text_is_no_match_and_no_error(text: str) -> None:
    assert rule(compiled(terms=("mortgage", "a b", "a  c"), exclusions=("a d",)), text) is None


WORDS = st.text(st.sampled_from("abtäß税क्षع-'.&( "), min_size=1, max_size=8).filter(lambda word: word.strip())


@given(st.lists(WORDS, min_size=1, max_size=6), st.data())
def test_every_term_is_found_between_spaces(terms: list[str], data: st.DataObject) -> None:
    term = data.draw(st.sampled_from(terms))
    assert compiled(terms=tuple(terms)).match(f"zz {term} zz", DEADLINE_S) is not None


@given(st.text(), st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=3))
def test_any_text_gives_an_answer_named_after_a_given_rule(text: str, terms: list[str], exclusions: list[str]) -> None:
    match = compiled(terms=tuple(terms), exclusions=tuple(exclusions)).match(text, DEADLINE_S)
    assert match is None or match.rule.removeprefix("term:") in terms


@given(st.text(st.characters(codec="utf-8")))
def test_normalising_twice_changes_nothing_that_rules_see(text: str) -> None:
    rules = compiled(terms=("mortgage", "straße", "ﬁnance"))
    assert (rules.match(text, DEADLINE_S) is None) == (rules.match(normalise(text), DEADLINE_S) is None)
