"""Finest beside DataTrove's own FineWeb pipeline: the same pages, in one run, with equality checked."""
