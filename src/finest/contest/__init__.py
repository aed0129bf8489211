"""The competition for recipes: a better recipe is paid for once, and becomes the reference that tasks ask for.

submission.py, bounds.py   a submission: a recipe and its quality models, as data only
calendar.py, lines.py      when a round takes place; what is committed for it on the chain
pool.py, refine.py         the pages of a round, and what each submission makes of them
heldout.py, measure.py     fresh held-out text, and what it costs a model that learned from a submission
round.py, result.py        a round from the pages to its result, from which anybody can decide again
decision.py, standing.py   who has beaten the incumbent, and what is paid for it: pure functions
entries.py, follow.py      the same with submissions from the chain, and weights of mechanism 1
"""
