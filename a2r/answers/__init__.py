"""Answers: what a text's answer is, which answers are the same, and who voted for what."""

from a2r.answers.clusters import Cluster, cluster
from a2r.answers.equivalence import equivalent
from a2r.answers.extraction import Answer, extract
from a2r.answers.kinds import infer_kind

__all__ = ["Answer", "Cluster", "cluster", "equivalent", "extract", "infer_kind"]
