"""Labelling by hand and by a model."""
