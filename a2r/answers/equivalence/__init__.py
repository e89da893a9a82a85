"""Decide which answers are the same."""
