"""Answers: what a text's answer is, which answers are the same, and who voted for what."""

from a2r.answers.answer import Answer, How, Kind
from a2r.answers.clusters import Cluster, acluster, cluster
from a2r.answers.equivalence import Comparison, aequivalent, compare, equivalent
from a2r.answers.extraction import extract
from a2r.answers.grading import agrade, grade
from a2r.answers.kinds import infer_kind
from a2r.answers.settings import Settings

__all__ = [
    "Answer",
    "Cluster",
    "Comparison",
    "How",
    "Kind",
    "Settings",
    "acluster",
    "aequivalent",
    "agrade",
    "cluster",
    "compare",
    "equivalent",
    "extract",
    "grade",
    "infer_kind",
]
