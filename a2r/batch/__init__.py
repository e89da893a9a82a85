"""Batches: files of questions in, every sample and result stored in a bank.

`Batch` asks the questions of a file with one `A2R` object; `open_bank` is used by it. See
docs/batch.md.
"""

from a2r.batch.bank.manifest import Manifest
from a2r.batch.bank.records import BANK_SCHEMA_VERSION, BankRecord
from a2r.batch.errors import BankBusyError, BankError, QuestionsError
from a2r.batch.progress import BatchProgress
from a2r.batch.questions import QuestionFields
from a2r.batch.runner import Batch
from a2r.batch.settings import BatchSettings

__all__ = [
    "BANK_SCHEMA_VERSION",
    "BankBusyError",
    "BankError",
    "BankRecord",
    "Batch",
    "BatchProgress",
    "BatchSettings",
    "Manifest",
    "QuestionFields",
    "QuestionsError",
]
