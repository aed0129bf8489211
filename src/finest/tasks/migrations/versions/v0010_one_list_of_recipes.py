"""One list of recipes: work refers to its entries, where it had a name and a hash of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("recipes") as recipes:
        recipes.alter_column("since_block", existing_type=sa.BigInteger(), nullable=True)
    op.execute("ALTER TABLE crawls ADD COLUMN recipe_id INTEGER CONSTRAINT fk_crawls_recipe_id REFERENCES recipes (id)")
    op.execute("""
        INSERT INTO recipes (name, recipe_hash, source, language)
        SELECT min(recipe), recipe_hash, min(recipe),
            min(CASE WHEN length(language) = 8 THEN language ELSE 'eng_Latn' END)
        FROM crawls
        WHERE recipe_hash IS NOT NULL AND recipe_hash NOT IN (SELECT recipe_hash FROM recipes)
        GROUP BY recipe_hash
    """)
    op.execute("""
        UPDATE crawls SET recipe_id = (
            SELECT min(recipes.id) FROM recipes WHERE recipes.recipe_hash = crawls.recipe_hash
        ) WHERE recipe_hash IS NOT NULL
    """)
    op.drop_column("crawls", "recipe")
    op.drop_column("crawls", "recipe_hash")
