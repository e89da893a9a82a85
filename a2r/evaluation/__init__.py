"""Evaluation of configs: `replay` measures gates and waves on recorded samples, without a model."""

__all__ = ["replay"]
