"""Final answers: extract them from texts, compare and cluster them, and grade them.

Import from here; the subpackages are private. The exceptions are in `a2r.answers.errors`.
"""

from a2r.answers import errors
from a2r.answers.equivalence.clustering import Cluster, acluster, cluster
from a2r.answers.equivalence.equivalent import Comparison, aequivalent, compare, equivalent
from a2r.answers.extraction.extract import extract
from a2r.answers.extraction.infer_kind import infer_kind
from a2r.answers.grading.grade import agrade, grade
from a2r.answers.settings import Settings
from a2r.answers.types import Answer, ExtractionMethod, Kind

__all__ = [
    "Answer",
    "Cluster",
    "Comparison",
    "ExtractionMethod",
    "Kind",
    "Settings",
    "acluster",
    "aequivalent",
    "agrade",
    "cluster",
    "compare",
    "equivalent",
    "errors",
    "extract",
    "grade",
    "infer_kind",
]
