"""Decontamination around the recipe's stage: evaluation sets from files and the Hub, index files, finished datasets."""
