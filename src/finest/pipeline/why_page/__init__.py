"""`finest why --html`: a crawled page beside its text, and what the extractor and later stages cut."""
