"""Closed tasks on a pasted text: long, full of numbers and lists, and easy.

In exam data whatever is long or holds numbers is hard, so a head fitted on it alone takes a pasted table for a hard
question. These prompts, written for this project, break that: each instruction is put before or after each text.
"""

from __future__ import annotations

from collections.abc import Iterator

TASKS: tuple[str, ...] = (
    "Extract all names and dates from the text below.",
    "Summarise the following text in one sentence.",
    "Rewrite this text in a friendlier tone.",
    "Translate the following text into Spanish.",
    "Convert the text below into a bullet list.",
    "Is the tone of the following text positive, neutral or negative?",
    "Proofread this text and correct the mistakes.",
    "List the main points of this passage.",
    "Answer from the text only: when does it happen?",
    "Return the key facts of this text as JSON.",
)
TEXTS: tuple[str, ...] = (
    "The quarterly report shows revenue of 4.2 million, up from 3.9 million a year before. Costs rose to 2.8 million, "
    "mainly because of 14 new hires and a move to a larger office in March. The board approved a dividend of 0.40 a "
    "share and expects growth of 6 to 8 percent next year.",
    "Dear team,\nthank you all for a great workshop on 12 June. Notes:\n- Ana will update the budget by Friday\n"
    "- Li books the venue for 40 people\n- Sam asks legal about the licence\nWe meet again on 3 July at 10:30 in room "
    "204. Please bring your drafts.\nBest wishes, Noor",
    "Customer: I ordered two lamps (order 88213) on 4 May and only one arrived. The box was dented and the cable is "
    "missing.\nAgent: I'm sorry to hear that. Could you send a photo?\nCustomer: Here it is. I need the lamp before "
    "the 20th, it is a present.\nAgent: We will send a new one by express, at no cost.",
    "The museum was founded in 1887 by a group of sailors who wanted to keep their charts dry. It moved twice, in 1923 "
    "and 1961, and has been in the old customs house since then. Today it holds 14,300 objects, of which about 900 are "
    "shown. Entry is free on Sundays, and the tower can be climbed from April to October.",
    "Name;City;Age\nAna;Madrid;31\nLi;Beijing;28\nOmar;Cairo;45\nPriya;Pune;37\nTom;Leeds;52",
    "Ingredients: 250 g flour, 120 g butter, 2 eggs, 80 g sugar, a pinch of salt. Mix the flour and butter, add the "
    "eggs one by one, chill for 30 minutes and bake at 180 degrees for 25 minutes. Serves 6. Keeps for three days in a "
    "closed tin.",
)


def pasted_prompts() -> Iterator[str]:
    """Every task before every text, and the first four after it."""
    for text in TEXTS:
        yield from (f"{task}\n\n{text}" for task in TASKS)
        yield from (f"{text}\n\n{task}" for task in TASKS[:4])
