"""Find copies of evaluation items in texts: the items' n-grams in one index file, and how a text is matched with it."""
