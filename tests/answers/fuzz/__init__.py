"""A differential fuzz of `a2r.answers`: pairs that are equal, and pairs that differ by one edit.

`python -m tests.answers.fuzz --minutes 30` prints the tried pairs, the false equalities and the
missed ones by class, and exits with 1 if a class is beyond its limit.
"""
