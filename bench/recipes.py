"""Recipes that DataTrove's own steps are compared with."""

UNGATED = """name = "fineweb-ungated"
[payload]
reading = "datatrove"
statuses = []
[decode]
encoding = "datatrove"
[gate]
enabled = false
"""
"""Recipe `fineweb` without its gate, which DataTrove does not have. What it does not name has FineWeb's values."""
