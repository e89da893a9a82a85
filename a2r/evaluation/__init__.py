"""Evaluation: banks as iterators and tables, and replay of recorded samples (`replay`).

`Bank.open(folder)` yields the records of a bank; `to_pandas` and `to_arrow` make tables of them.
"""

from a2r.batch.bank.reader import Bank
from a2r.evaluation.bank_tables import Rows, to_arrow, to_pandas

__all__ = ["Bank", "Rows", "to_arrow", "to_pandas"]
