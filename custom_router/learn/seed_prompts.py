"""Prompts written for this project that teach the head what exam questions cannot: everyday traffic.

Public outcome data is almost all exam questions, so a head trained on it alone has never seen a greeting or a
rewording. These are the authors' judgement, not measurements; the artifact's metadata says so, with their weight.
`LABELS` holds what each set is taken to be: p_ok of the simple and of the medium tier.
"""

from __future__ import annotations

from custom_router.learn.pasted_prompts import pasted_prompts

LABELS: dict[str, tuple[float, float]] = {
    "easy": (0.95, 0.98),
    "pasted": (0.95, 0.98),
    "middling": (0.62, 0.90),
    "hard": (0.20, 0.50),
}

EASY: tuple[str, ...] = (
    "hi there",
    "Hello! Are you working today?",
    "thanks, that's all for now",
    "good evening",
    "ok great, talk later",
    "Who are you?",
    "Tell me a joke about penguins.",
    "Say something nice to cheer me up.",
    "Fix the spelling: 'I recieved the pakage yesturday and its grate'",
    "Correct the grammar in this sentence: she don't has no time for meet us",
    "Rewrite this more politely: Send the file now, I'm waiting.",
    "Make this shorter: We are writing to inform you that the office will remain closed on the coming Friday.",
    "Rephrase in plain English: The aforementioned party shall heretofore be called the buyer.",
    "Turn this into a friendly reminder: invoice 204 is two weeks late",
    "Change this paragraph to the past tense: I walk to the shop and buy bread.",
    "Make the tone of this email warmer: Meeting moved to 3pm. Be there.",
    "Translate 'where is the train station?' into Italian.",
    "Translate to English: Guten Morgen, ich hätte gern einen Kaffee.",
    "How do you say 'see you tomorrow' in Spanish?",
    "Extract the email addresses from: contact ana@mail.example or bob@corp.example before noon",
    "List every date mentioned: The trip starts on 4 May and ends on 19 May 2023.",
    "Pull out the product names from this note: We ordered two Lumo lamps and a Veria desk.",
    "What is the order number in this message? 'Hi, my order 88213 has not arrived.'",
    "Is this review positive or negative? 'The battery died after two days, very annoyed.'",
    "Classify this ticket as billing, shipping or technical: I was charged twice this month.",
    "Label the language of this text: 'Je ne sais pas encore.'",
    "Does this message sound angry? 'I have asked three times already.'",
    "Tag the following headline with one topic: 'Local team wins the cup after extra time'",
    "Convert this list to a comma separated line: apples\npears\nplums",
    "Put these names in alphabetical order: Mira, Adam, Zoe, Chen",
    "Format this as a bulleted list: milk, eggs, flour and some sugar",
    "Turn this into JSON with keys name and age: Petra is 34 years old.",
    "Write this date as YYYY-MM-DD: the third of August 2021",
    "Convert 5 kilometres to miles.",
    "What is 15 percent of 80?",
    "Capitalise every word of this title: a short walk in the hills",
    "Summarise in one sentence: The library will close early on Monday because the heating is being repaired. It "
    "opens as usual on Tuesday.",
    "Give me a two line summary of this update: The team shipped the new login page, fixed nine bugs and delayed "
    "the export feature to next week because of a vendor issue.",
    "tl;dr this: Our cafe has new opening hours from June. We open at eight on weekdays and at nine on weekends.",
    "Write a short birthday message for my colleague Sam.",
    "Write a thank you note to a neighbour who watered my plants.",
    "Suggest a subject line for an email about a moved meeting.",
    "Give me five name ideas for a small bakery.",
    "What's a good synonym for 'happy'?",
    "What does 'RSVP' mean?",
    "Define the word 'frugal'.",
    "What is the capital of Portugal?",
    "How many days are there in a leap year?",
    "Who painted the Mona Lisa?",
    "What colour do you get when you mix blue and yellow?",
    "Suggest three easy dinners with chicken and rice.",
    "What should I pack for a weekend at the beach?",
    "Write a two sentence out of office reply.",
    "Draft a quick text telling my boss I'm ten minutes late.",
    "Create a short packing checklist for a camping trip.",
    "Write a caption for a photo of a sunset.",
    "Give me a simple recipe for pancakes.",
    "Does the following answer the question, yes or no? Q: When do you open? A: We open at nine.",
    "Count the words in: the quick brown fox",
    "Remove the duplicate entries: red, blue, red, green, blue",
)

MIDDLING: tuple[str, ...] = (
    "Write a Python function that reads a CSV file and returns the average of one column.",
    "Why does this JavaScript print undefined? function f(){ return\n 5; } console.log(f())",
    "Write a SQL query that returns the ten customers with the highest total spend last year.",
    "Explain what a REST API is to a new developer, with one example.",
    "Write unit tests for a function that validates e-mail addresses.",
    "Convert this for loop into a list comprehension: out = []\nfor x in xs:\n    if x > 3:\n        out.append(x * x)",
    "Write a regular expression that matches UK postcodes and explain each part.",
    "Summarise the arguments for and against remote work in a table.",
    "Explain how vaccines train the immune system, for a fifteen year old.",
    "What are the differences between TCP and UDP, and when would you use each?",
    "Write a cover letter for a junior data analyst applying to a logistics company.",
    "Plan a five day trip to Lisbon for a family with two small children.",
    "Compare leasing and buying a car for someone who drives very little.",
    "Write a blog post of 400 words about starting a vegetable garden on a balcony.",
    "Create a weekly meal plan for a vegetarian who trains for a half marathon.",
    "Explain why the French Revolution began, in three paragraphs.",
    "A shirt costs 40 after a 20 percent discount. What was the price before, and what would a further 10 percent do?",
    "My Docker container exits at once with code 0. What should I check?",
    "Write a press release announcing that our software now supports single sign-on.",
    "Give feedback on my presentation outline: intro, market, product, team, numbers, ask.",
    "How do I set up a cron job that backs up a folder every night and keeps seven copies?",
    "Write a short story about a lighthouse keeper who finds a message in a bottle.",
    "Explain compound interest with a worked example over ten years.",
    "What questions should I ask when interviewing a product manager?",
    "Turn these meeting notes into action items with owners: Ana to check the budget, launch moves to May, Li writes.",
    "Write a shell script that renames all .jpeg files in a folder to .jpg.",
)

HARD: tuple[str, ...] = (
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
    "Prove that every bounded monotone sequence of real numbers converges, using only the least upper bound axiom.",
    "Show that the halting problem is undecidable and where the argument breaks for programs with bounded memory.",
    "Let G be a group of order 105. Show that G has a normal subgroup of order 35.",
    "Find all functions f from the reals to the reals with f(x + f(y)) = f(x) + y for all x and y, with proof.",
    "Derive the Euler-Lagrange equations for a charged particle in an electromagnetic field and check its gauge.",
    "Evaluate the integral of log(1+x)/(1+x^2) from 0 to 1 and justify each step.",
    "Derive the gradient of the evidence lower bound for a hierarchical variational autoencoder with discrete latents.",
    "Design a globally distributed rate limiter that stays correct during a network partition; discuss consistency, "
    "failure modes and capacity planning for two million requests a second.",
    "Design the schema and replication strategy of a multi-tenant ledger that must never lose a write, and analyse the "
    "trade-offs of synchronous against asynchronous replication.",
    "Our service deadlocks about once a day under load. Here is the lock order of four threads: T1 takes A then B, T2 "
    "takes B then C, T3 takes C then A, T4 takes all in random order. Find every cycle and propose a lock hierarchy "
    "that keeps the hot path lock free.",
    "Implement a lock-free bounded multi-producer queue in C++ and argue its memory ordering is correct.",
    "Migrate this monolith to event sourcing without downtime: give the sequence of steps, the invariants at each step "
    "and how to roll back.",
    "Debug this: after upgrading, our Raft cluster elects two leaders for a few seconds whenever a disk stalls. Which "
    "invariant could be broken and how would you prove it from the logs?",
    "Write a compiler pass that performs loop-invariant code motion on SSA form and explain when it is unsound.",
    "Reduce the memory of this algorithm from quadratic to linear while keeping exact results: edit distance with "
    "traceback over two sequences of ten million characters.",
    "Analyse whether a limitation of liability clause survives gross negligence under English and under New York law, "
    "and draft an alternative that protects the supplier in both.",
    "Assess the tax consequences of moving our intellectual property from an Irish to a Dutch subsidiary, including "
    "transfer pricing and exit taxation.",
    "Critique the identification strategy of a study that estimates returns to schooling with distance to college as "
    "an instrument, and propose a test that could falsify it.",
    "A patient on warfarin and amiodarone presents with fatigue, bradycardia and a rising INR. Give the differential "
    "diagnosis, the interactions involved and a plan for the next 48 hours.",
    "Build a three-statement model outline for a company with deferred revenue and convertible debt, and show how "
    "conversion changes diluted earnings per share.",
    "Compare the arguments of Kripke and Quine on necessity, and say which survives the objection from vague identity.",
    "Estimate the tail latency of a fan-out of 200 calls with lognormal service times, and derive when hedging helps.",
    "Propose a synthesis route to ibuprofen from isobutylbenzene, with mechanisms and why each step is selective.",
    "Given a noisy time series of sensor failures, choose between a Cox model and a frailty model, derive the partial "
    "likelihood and explain how to check proportional hazards.",
    "Find the flaw in this proof that all horses are the same colour and give the strongest true statement the same "
    "induction supports.",
)

SEEDS: dict[str, tuple[str, ...]] = {
    "easy": EASY,
    "pasted": tuple(pasted_prompts()),
    "middling": MIDDLING,
    "hard": HARD,
}
