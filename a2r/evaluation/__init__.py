"""Measure what a config is worth."""
