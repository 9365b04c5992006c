"""The rules in routing_policy.yaml, without the model: phrases they must know, and look-alikes they must let pass."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from custom_router.domains.rules import DomainRules
from custom_router.policy.schema import DomainPolicy

POLICY = Path(__file__).parents[2] / "routing_policy.yaml"
DEADLINE_S = 30.0

FINANCE = """
How do I fill in a W-2 for a part-time employee?
Which line of Form 1040 takes my side income?
Is the VAT rate on e-books different?
What is the capital gains treatment of inherited shares?
Compute EBITDA from this table
Reconcile the P&L with last quarter
Explain GAAP revenue recognition to a new hire
Show me a balance sheet for a bakery
Post the journal entry for a prepaid lease
Straight-line depreciation of a van over five years
Should I refinance at 5.2 percent?
My mortgage payment went up
Which credit card has no foreign fee?
The IBAN was rejected
What moves the EUR/USD exchange rate?
Roll my 401(k) into a Roth IRA
Compare an ETF with an index fund
When is the ex-dividend date? I mean when are dividends paid
Price a call option with Black-Scholes
What is the yield curve telling us?
How is the WACC of a start-up set?
Is bitcoin taxed when I swap it?
Explain quantitative easing simply
KYC checks for a new client
Set up payroll for three people
Draft an invoice for 12 hours of design
internal  rate 	of  return of this project
Net revenues fell while operating expenses rose
I want to buy some railway shares
gold closed at 2,000 an ounce
Can I deduct my home office from my taxes?
Wie fülle ich die Steuererklärung aus?
Was kostet eine Hypothek mit fester Laufzeit?
Quel est le taux d’intérêt d'un prêt immobilier ?
¿Cómo declaro el IRPF si trabajo fuera?
Como declarar o imposto de renda?
Quanto costa la rata del mutuo?
个人所得税怎么计算？
住宅ローンの繰り上げ返済は得ですか
كيف أحسب الضريبة على الراتب؟
आयकर रिटर्न कैसे भरें?
"""

NOT_FINANCE = """
We sat on the river bank until dark
Name the trees along these river banks
Help me balance my diet this week
Find a stock photo of a mountain lake
Make a chicken stock from leftovers
How do bonds between atoms form?
Covalent bonds share electrons
My interest in jazz began at school
That film holds no interest for me
Give me credit for trying
Credits roll at the end of the film
Write a bank account class in Python
Train plan for a 10-k run
A blood bank needs volunteers
Fill the gaps from the word bank
The private chat was served first
First come, first served
She invested a lot of love in the garden
What is the rate of photosynthesis in shade?
The loss function diverges after ten epochs
Gradient descent on a convex loss
Add a checkbox for the account name
Delete my account on this forum
How much does a blue whale weigh?
A net with small holes catches small fish
The total solar eclipse lasted four minutes
What is the current through a 5 ohm resistor?
Pay attention to the second verse
Pay a visit to the old harbour
The gold medal went to the Kenyan runner
Silver birches turn yellow in autumn
Trade winds blow from the east
Save the file before you quit
Own goals decided the match
Short stories about the sea
Wie backe ich ein Roggenbrot?
Raconte une histoire de dragons
¿Cuál es la montaña más alta de Chile?
Escreva um poema sobre o mar
Consigliami un libro di fantascienza
推荐几本科幻小说
おすすめの散歩コースを教えて
اكتب قصيدة عن القمر
चाँद पर एक कविता लिखो
"""

LEGAL = """
The plaintiff has thirty days to answer
Summarise the summary judgment motion
Explain hearsay to a first-year student
Is a subpoena by e-mail good service?
Can I sue my neighbour over a fence?
Is it legal to record a phone call?
What is the statute of limitations for slander?
A breach  of 	contract by the supplier
Redline the indemnity clause
Does force majeure cover a pandemic?
Write a non-disclosure agreement for a contractor
Check our terms of service for gaps
Is my non‑compete binding?
What is promissory estoppel?
Power of attorney for my father
This Agreement shall be governed by the laws of Ohio
pursuant to section four
Is a recipe protected by copyright?
Register a trademark in two classes
Patents on software in Europe
Does fair use cover a parody?
A DMCA notice arrived
I was let go: is it wrongful termination?
My landlord keeps the security deposit
We want a divorce without a fight
How is child support worked out?
Executor of my aunt's will
Apply for asylum at the border
Are we a data controller under GDPR?
HIPAA rules for a small clinic
The Supreme Court reversed
He was arrested after the robbery
My boss fired me by text message
They were suing for damages
Please review this short agreement
See 42 U.S.C. § 1983
What does employment law say about breaks?
Kann mein Vermieter wegen Eigenbedarf kündigen?
Mon avocat demande une mise en demeure
Mi casero no devuelve la fianza
Fui demitido por justa causa
Il contratto di locazione è scaduto
劳动合同到期不续签怎么办
離婚の手続きを教えてください
كيف أجد محامي في القاهرة؟
वकील से कब मिलना चाहिए?
"""

NOT_LEGAL = """
State the second law of thermodynamics
Prove the law of large numbers
Use the law of cosines on this triangle
Is Moore's law still true?
Murphy’s law strikes again
Apply Ohm's law to this circuit
Degrees follow a power law
Which court shoes suit a wedding?
A tennis court has two service boxes
Where is the food court?
The poet wants to court the reader
Design by contract in Eiffel
Deploy a smart contract on a test net
Muscles contract when they work
People contract malaria from mosquitoes
Is it legal to castle out of check?
List every legal move for the white knight
LRU eviction with a linked list
Tune the cache eviction of this store
A patent ductus arteriosus in a newborn
Judge the flavour of these apples
Which case does this preposition take?
Handle the edge case of an empty list
Rewrite this sentence as a relative clause
Santa Claus visits every house
Add a WHERE clause to this query
We agree on most things
Subjects and verbs show agreement in number
The trial period of this app is over
A clinical trial with two arms
Sentence the words into a story
Justice is a theme of this play
The police sketch in this comedy is funny
Right angles and left turns
Sign language for beginners
Draft a birthday poem
Review of the restaurant by the lake
My company makes kites
Tell me a lawyer joke
Welches Brettspiel passt für vier?
Une recette de tarte aux pommes
¿Por qué el cielo es azul?
Qual è la capitale della Norvegia?
写一首关于春天的诗
猫が好きな理由を書いて
كيف أزرع الطماطم؟
बारिश पर निबंध लिखो
"""


def phrases(block: str) -> list[str]:
    return block.strip().splitlines()


@cache
def shipped(name: str) -> DomainRules:
    domain = DomainPolicy.model_validate(yaml.safe_load(POLICY.read_text(encoding="utf-8"))["domains"][name])
    return DomainRules.compile(name, domain.rules)


def found(name: str, text: str) -> str | None:
    match = shipped(name).match(text, DEADLINE_S)
    return match.rule if match else None


@pytest.mark.parametrize("text", phrases(FINANCE))
def test_finance_is_recognised(text: str) -> None:
    assert found("finance", text)


@pytest.mark.parametrize("text", phrases(LEGAL))
def test_legal_is_recognised(text: str) -> None:
    assert found("legal", text)


@pytest.mark.parametrize("text", phrases(NOT_FINANCE))
def test_what_only_sounds_like_finance_is_let_pass(text: str) -> None:
    assert found("finance", text) is None


@pytest.mark.parametrize("text", phrases(NOT_LEGAL))
def test_what_only_sounds_like_law_is_let_pass(text: str) -> None:
    assert found("legal", text) is None


@pytest.mark.parametrize("name", ["finance", "legal"])
def test_a_phrase_is_found_deep_in_a_long_prompt_and_nothing_else_is(name: str) -> None:
    plain = "\n".join(phrases(NOT_FINANCE) + phrases(NOT_LEGAL))
    others = [line for line in plain.splitlines() if not found(name, line)]
    filler = "\n".join(others * 10)
    phrase = phrases(FINANCE if name == "finance" else LEGAL)[0]
    assert found(name, filler) is None
    assert found(name, f"{filler}\n{phrase}\n{filler}") == found(name, phrase)
