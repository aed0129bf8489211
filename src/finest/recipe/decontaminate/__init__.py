"""Find copies of evaluation items in texts: the items' n-grams in one index file, and how a text is matched with it."""

MIN_MATCHES, MIN_PERCENT = 5, 10
"""Defaults of `DecontaminateRules`: n-grams of an item, and their share of its n-grams, that a text must have."""
