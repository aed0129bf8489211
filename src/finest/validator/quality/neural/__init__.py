"""Tier 2: a small Llama whose training continues from one pinned checkpoint. Needs PyTorch (the `gpu` extra).

Install it with: pip install 'finest-data[gpu]'.

    llama.py         the model, with transformers' names
    train.py         the training loop, and the cost of held-out text
    continued.py     the tier: trains from the checkpoint, on a GPU if there is one
    checkpoint.py    weights that transformers and lm-eval can load; the pinned weights
    build_seed.py    builds seed/, the pinned checkpoint, from texts in the public domain
"""
