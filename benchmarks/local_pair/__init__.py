"""Sampling and synthesis strategies compared on recordings of the local pair of models."""
