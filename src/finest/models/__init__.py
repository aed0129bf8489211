"""Quality models: reading labelled texts, training, evaluation, and what a model's `model.json` tells.

`finest.recipe.quality_model` scores texts with a model; this package makes models and needs the extra `train`.
"""
