"""Stored runs: open a store, list its runs, and find one of them."""

from a2r.persistence.database import default_store, open_store
from a2r.persistence.queries import find_run, last_run, list_runs
from a2r.persistence.run_record import Run

__all__ = ["Run", "default_store", "find_run", "last_run", "list_runs", "open_store"]
