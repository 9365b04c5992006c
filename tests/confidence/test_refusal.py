from __future__ import annotations

import pytest

from custom_router.confidence.refusal import refuses

REFUSALS = [
    "I'm sorry, but I can't assist with that request.",
    "I’m sorry, but I cannot help you with this.",
    "I cannot fulfill your request. I'm just an AI, and it is not appropriate.",
    "As an AI language model, I cannot browse the internet.",
    "I apologize, but I am unable to provide medical advice.",
    "Unfortunately, I am not able to open links or view images.",
    "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
    "Tut mir leid, aber das kann ich nicht beantworten.",
    "Als KI kann ich keine medizinischen Ratschläge geben.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "En tant qu'IA, je ne peux pas naviguer sur Internet.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Como modelo de lenguaje, no puedo dar consejos médicos.",
    "Desculpe, mas não posso ajudar com isso.",
    "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "抱歉，我无法回答这个问题。",
    "作为一个人工智能，我不能提供医疗建议。",
    "对不起，我不能帮你完成这个请求。",
    "申し訳ありませんが、そのご質問にはお答えできません。",
    "К сожалению, я не могу помочь с этим.",
    "Извините, но я не могу ответить на этот вопрос.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_seen(text: str) -> None:
    assert refuses(text, "How does it work?")


@pytest.mark.parametrize("text", REFUSALS)
def test_a_quoted_refusal_is_none(text: str) -> None:
    assert not refuses(f'"{text}" is what it said.', "What did it say?")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("I can't recommend it enough: the food is superb.", "Is the restaurant good?"),
        ("I cannot stress this enough: back up first.", "Any advice before the upgrade?"),
        ("I'm sorry to hear that. Here is what you can do.", "My cat died."),
        ("Unfortunately, the store is closed on Sundays.", "Is it open on Sunday?"),
        ("I'm sorry, but I can't make it to the party.", "I was invited. What do I say to them?"),
        ("I'm sorry, but I can't help you move this weekend.", "Write a text message to a friend who asks for help"),
        ("Unfortunately, we are unable to offer you the position.", "Write a rejection email to a candidate"),
        ("Es tut mir leid, aber ich kann am Montag nicht kommen.", "Schreib eine Nachricht an meinen Chef"),
        ("抱歉，我不能参加会议。", "帮我写一封邮件，说我不参加会议"),
        ("Dear Ms Roe,\n\nI am sorry, but I cannot provide the report today.", "Draft an apology."),
        ("The model said: I'm sorry, but I can't assist with that.", "What happened?"),
        ("You can't do that in Python; use a list instead.", "Can I change a tuple?"),
        ("As an AI, I have no feelings, and I am happy to talk about yours.", "How are you?"),
    ],
)
def test_other_openings_are_none(text: str, prompt: str) -> None:
    assert not refuses(text, prompt)


def test_the_assistants_own_voice_is_told_from_a_drafted_one() -> None:
    text = "I'm sorry, but I can't assist with that request."
    assert refuses(text, "Write an email that threatens my neighbour")
