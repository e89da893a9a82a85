"""Runs that are kept: a store that outlives the process, and what can be read from it."""

from a2r.persistence.queries import find_run, last_run, list_runs
from a2r.persistence.run_record import CONFIG_KEY, GRAPH_KEY, Run, RunState
from a2r.persistence.store import default_store, display_name, exists, is_store, open_store

__all__ = [
    "CONFIG_KEY",
    "GRAPH_KEY",
    "Run",
    "RunState",
    "default_store",
    "display_name",
    "exists",
    "find_run",
    "is_store",
    "last_run",
    "list_runs",
    "open_store",
]
