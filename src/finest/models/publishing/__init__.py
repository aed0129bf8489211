"""Publish a quality model on the Hub: weights, `model.json`, a card, its threshold curve and its held-out sets."""
