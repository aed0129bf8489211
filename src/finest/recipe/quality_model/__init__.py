"""Quality models: integer scores of a text that anybody can compute again.

`format.py` reads and writes a model's file, `hashing.py` turns a text into hashed n-grams, `linear.py` and
`scoring.py` compute scores. docs/concepts/quality-models.md describes the score and the file.
"""

from finest.recipe.quality_model.format import MAX_MODEL_BYTES, model_bytes
from finest.recipe.quality_model.hashing import features
from finest.recipe.quality_model.scoring import QualityModel, Score, score_all

__all__ = ["MAX_MODEL_BYTES", "QualityModel", "Score", "features", "model_bytes", "score_all"]
