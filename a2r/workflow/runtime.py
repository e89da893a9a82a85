"""What a node gets besides the state: config, models, and a place for its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from a2r._internal.task_isolation import EventSink
from a2r.config import Config
from a2r.events import AnyEvent, event_to_json
from a2r.gates import Gate
from a2r.inference.client import InferenceClient
from a2r.inference.run_tracker import RunState
from a2r.result import Sample, Synthesis
from a2r.workflow.budget import BudgetGuard, Spend, TimeLeft, time_left
from a2r.workflow.state import State

# Keys of a runnable config's `configurable`.
STREAM_KEY = "a2r_watch"
SINK_KEY = "a2r_sink"
REQUEST_ID_KEY = "a2r_request_id"
CLIENT_KEY = "a2r_client"
REPLIES_KEY = "a2r_replies"
VALIDATED_KEY = "a2r_validated"


@dataclass(frozen=True, kw_only=True)
class NodeRuntime:
    """The effective config of a run, its models and its event stream; one for each run.

    `sink` takes the events of `A2R.astream`, `write` those of LangGraph's custom stream; without
    `is_observed` nobody reads either. With `streaming`, replies are worth streaming token by
    token. `request_id` is the caller's own ID for the run, `client` who shares the endpoints with
    others in turn, such as an API key of the server. With `is_validated`, the input has
    been checked before the run.
    """

    config_name: str
    config: Config
    models: InferenceClient
    gate: Gate
    write: Callable[[Any], None]
    streaming: bool = False
    sink: EventSink[AnyEvent] | None = None
    is_observed: bool = True
    request_id: str | None = None
    client: str | None = None
    is_validated: bool = False

    def request_id_for(self, run_id: str, call: str) -> str:
        """The request ID of a call, such as `sample-3`, at the endpoint."""
        # A caller may run several questions under one ID.
        name = run_id if self.request_id is None else f"{self.request_id}-{run_id[:8]}"
        return f"{name}-{call}"

    def run_state(self, run_id: str, before: Mapping[str, Any] | None = None) -> RunState:
        """What this process knows of a run; `before` is its usage in other processes."""
        return self.models.runs.get_or_start(run_id, before)

    def samples(self, state: State) -> list[Sample]:
        """The samples so far, in order of their index; each is validated once a process."""
        run = self.run_state(state["task"]["run_id"])
        return [run.parse(Sample, sample) for sample in state["samples"]]

    def syntheses(self, state: State) -> list[Synthesis]:
        """The synthesizer's attempts, in order; each is validated once a process."""
        run = self.run_state(state["task"]["run_id"])
        return [run.parse(Synthesis, attempt) for attempt in state["synthesis"]]

    def time_left(self, run_id: str) -> TimeLeft:
        """The time that a run may still take, by its deadline and its budgets."""
        return time_left(
            self.run_state(run_id),
            self.models.runs,
            self.config.budget,
            self.config.deadline.question,
        )

    def comparison_time(self, run_id: str) -> float:
        """The seconds for a clustering: half of those left, as a synthesis may follow."""
        return self.time_left(run_id).seconds / 2

    def budget_guard(self, spend: Spend, run_id: str, number: int) -> BudgetGuard:
        """The check before each request of a sample or synthesis that the budgets allow it."""
        return BudgetGuard(
            spend=spend,
            number=number,
            budget=self.config.budget,
            question=self.run_state(run_id),
            questions=self.models.runs,
            ledger=self.models.ledger,
        )

    @property
    def has_reader(self) -> bool:
        """Whether anyone reads the events."""
        return self.sink is not None or self.is_observed

    def emit(self, event: AnyEvent) -> None:
        """Send an event to the reader of the run: its sink, or LangGraph's custom stream."""
        if self.sink is not None:
            self.sink.put(event)
        elif self.is_observed:
            self.write(event_to_json(event))
