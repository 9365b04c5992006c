"""Prompts written for this project and never trained on: a reader's check of where everyday requests would go."""

from __future__ import annotations

PLAIN_EASY: tuple[str, ...] = (
    "hello",
    "Hey, how is it going?",
    "Say hello to the team for me",
    "Please make this sentence sound friendlier: Reply by Friday.",
    "Rewrite in the third person: I lost my keys on the bus.",
    "Correct the typos: 'thier going too the zoo tommorow'",
    "Extract the phone number from 'call Dana on 020 7946 0958 after six'.",
    "What city is mentioned here? 'Our Leeds office moves in March.'",
    "Translate 'good luck with your exam' into French.",
    "How do I say thank you in Japanese?",
    "Summarise in one line: The lift is out of order until Thursday; please use the stairs.",
    "Is the following message spam? 'You have won a free cruise, click now'",
    "Sort these alphabetically: pear, fig, apple",
    "What is the largest planet?",
    "Write a one line greeting for a new customer.",
)
PLAIN_MIDDLING: tuple[str, ...] = (
    "Write a Python script that renames every photo by the date it was taken.",
    "Explain the difference between a stack and a queue with an example.",
    "Write a product description for a stainless steel water bottle.",
    "Summarise the pros and cons of nuclear power for a school debate.",
    "Help me prepare for an interview as a customer support lead.",
    "Give me an SQL query for monthly active users from an events table.",
    "What causes inflation, and how do central banks respond?",
    "Why is my React component rendering twice?",
    "Plan a vegetarian dinner party for eight people with a timeline.",
    "A train travels 180 km in 2.5 hours. How long does it need for 300 km at the same speed?",
)
PLAIN_HARD: tuple[str, ...] = (
    "Prove that the sum of the reciprocals of the primes diverges.",
    "Show that a continuous bijection from a compact space to a Hausdorff space is a homeomorphism.",
    "Solve the recurrence T(n) = 3T(n/4) + n log n and prove the bound tight.",
    "Design a payment system that stays exactly-once across three regions, with its failure modes and recovery plan.",
    "Our JVM service pauses for 4 seconds under load although the heap is half empty. Derive the likely causes from "
    "these numbers: safepoint 3.9 s, 1,200 threads, 64 cores, transparent huge pages on.",
    "Implement a persistent red-black tree in Rust with deletion and prove the invariants hold.",
    "Draft an indemnification clause for a cross-border software licence and analyse its enforceability in Delaware.",
    "Does a force majeure clause excuse performance when an export licence is revoked? Compare two jurisdictions.",
    "Derive the Black-Scholes equation with a dividend yield and explain each hedging assumption.",
    "Calculate the equilibrium constant at 450 K given the enthalpy -92.2 kJ/mol and entropy -198.7 J/(mol K), then "
    "estimate the yield at 200 bar.",
    "Compute the expected number of rolls of three dice until every face has appeared on each die.",
    "A particle moves in the potential V(x) = k|x|^3. Find how its period scales with amplitude and verify it.",
)
PLAIN_PROMPTS = (*PLAIN_EASY, *PLAIN_MIDDLING, *PLAIN_HARD)

UNTYPICAL_PROMPTS: tuple[str, ...] = (
    "qwlkj zxcvm asdpo iuyqw nbvxz lkjhg",
    "xqzv kjhg wrtp bnmc dfgh jklp",
    "zzzzzzzzzzzzzzzzzzzzzzzz",
    "Wie viele Einwohner hat die Stadt Hamburg und wann wurde sie gegründet?",
    "¿Puedes escribir una carta de queja para mi compañía telefónica?",
    "Explique-moi comment fonctionne un moteur électrique",
    "Напиши короткое письмо коллеге",
    "请写一封道歉信给客户",
    "ما هي فوائد القراءة؟",
    "नमस्ते, मुझे एक कहानी सुनाओ",
    "Kirjoita lyhyt tarina koirasta ja kissasta",
    "Please check this log line and tell me what you see. " * 1_000,
)
