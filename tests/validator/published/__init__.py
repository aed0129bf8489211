"""Tests of published evidence."""
