"""Recipes: the rules by which a page is kept or dropped."""

SHIPPED = ("fineweb", "finest", "finest-scored", "finest-union", "fineweb-2", "fineweb-2-lid176")
"""Names of the recipes that come with finest."""
