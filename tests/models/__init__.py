"""Tests of the quality models: labels, training, publishing."""
