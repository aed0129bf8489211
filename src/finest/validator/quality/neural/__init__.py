"""Tier 2: a small Llama, trained on from one pinned checkpoint. Needs PyTorch: pip install 'finest-data[gpu]'.

llama.py         the model, by transformers' names
train.py         the training loop, and what held-out text costs
continued.py     the tier: from the checkpoint, on a GPU where there is one
checkpoint.py    weights that transformers and lm-eval can load; the pinned ones
build_seed.py    makes seed/, the pinned checkpoint, from texts in the public domain
"""
