"""Runs that are kept: a store that outlives the process, and what can be read from it."""

from a2r.persistence.queries import find_run, last_run, list_runs
from a2r.persistence.run_record import CONFIG_KEY, GRAPH_KEY, Run, RunState
from a2r.persistence.store import default_place, holds_runs, is_there, open_store, shown

__all__ = [
    "CONFIG_KEY",
    "GRAPH_KEY",
    "Run",
    "RunState",
    "default_place",
    "find_run",
    "holds_runs",
    "is_there",
    "last_run",
    "list_runs",
    "open_store",
    "shown",
]
