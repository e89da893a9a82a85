"""What Prometheus reads: requests, methods, tokens, latencies, the queue, and the endpoints."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from a2r._internal.urls import redact_url
from a2r.events import (
    AnyEvent,
    GateDecided,
    RunStarted,
    SampleFinished,
    SynthesisFinished,
    SynthesisStarted,
)
from a2r.inference.routing.endpoint_group import endpoint_group
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter
from a2r.result import ROLES, Result
from a2r.workflow.budget import is_budget_reason
from a2r.workflow.workflow import Workflow

Outcome = Result | Literal["failed", "cancelled"]
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self, offer: ModelRegistry, places: ConcurrencyLimiter) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "a2r_requests",
            "Requests by model and the status that they came to, also where a stream fails that "
            "began with 200 (499: the client hung up); model is empty where none was found.",
            ["model", "status", "stream"],
            registry=self.registry,
        )
        self.results = Counter(
            "a2r_results",
            "Runs by how they ended: the result's method, none (no answer), failed, cancelled.",
            ["model", "method"],
            registry=self.registry,
        )
        self.skips = Counter(
            "a2r_synthesis_skipped",
            "Results that the gate accepted without the synthesis that the graph has.",
            ["model"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "a2r_stage_seconds",
            "Seconds by stage: queue, first_sample, explore, synthesize, run, request.",
            ["model", "stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_LiveCollector(offer, places))

    def on_request_end(self, model: str, outcome: Outcome) -> None:
        """A run came to a result, or to none."""
        if not isinstance(outcome, Result):
            self.results.labels(model, outcome).inc()
            return
        self.results.labels(model, outcome.method or "none").inc()
        self.seconds.labels(model, "run").observe(outcome.seconds)
        if _skipped(outcome):
            self.skips.labels(model).inc()

    def watch(self, model: str) -> RunMetrics:
        """What measures the stages of a run."""
        return RunMetrics(model=model, seconds=self.seconds)


def _skipped(result: Result) -> bool:
    gate = result.gate
    accepted = gate is not None and gate.decision == "accept" and not is_budget_reason(gate.reason)
    planned = result.savings is not None and result.savings.fixed.syntheses > 0
    return accepted and planned and not result.synthesis


@dataclass
class RunMetrics:
    """Measures the stages of a run by its events."""

    model: str
    seconds: Histogram
    _started_at: dict[str, float] = field(default_factory=dict)

    def on_event(self, event: AnyEvent) -> None:
        """An event of the run."""
        match event:
            case RunStarted():
                self._begin("first_sample")
                self._begin("explore")
            case SampleFinished():
                self._end("first_sample")
            case GateDecided() if event.gate.decision != "sample_more":
                self._end("explore")
            case SynthesisStarted():
                self._begin("synthesize")
            case SynthesisFinished():
                self._end("synthesize")

    def _begin(self, stage: str) -> None:
        self._started_at.setdefault(stage, time.monotonic())

    def _end(self, stage: str) -> None:
        begun = self._started_at.pop(stage, None)
        if begun is not None:
            self.seconds.labels(self.model, stage).observe(time.monotonic() - begun)


@dataclass(frozen=True, eq=False)
class _LiveCollector(Collector):
    """What is read off the flows when it is asked for: nothing is counted twice, or missed."""

    registry: ModelRegistry
    limiter: ConcurrencyLimiter

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        yield GaugeMetricFamily(
            "a2r_requests_running", "Requests that run.", value=self.limiter.running
        )
        yield GaugeMetricFamily(
            "a2r_requests_waiting", "Requests in the queue.", value=self.limiter.waiting
        )
        flows = self.registry.workflows()
        yield from _usage_metrics(flows.items())
        yield from _endpoint_metrics(flows.items())

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on which configs were asked for."""
        return []


def _usage_metrics(flows: Iterable[tuple[str, Workflow]]) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "a2r_calls",
        "Requests to endpoints, retries and cancelled ones included.",
        labels=["config", "role"],
    )
    tokens = CounterMetricFamily(
        "a2r_tokens",
        "Tokens spent, also by cancelled and failed calls.",
        labels=["config", "role", "kind"],
    )
    cost = CounterMetricFamily(
        "a2r_cost",
        "Money spent; not there where a price is unknown.",
        labels=["config", "role", "currency"],
    )
    for name, flow in flows:
        whole = flow.models.ledger.total()
        for role in ROLES:
            section = flow.loaded.config.role(role)
            if section is None:
                continue
            usage = getattr(whole, role)
            calls.add_metric([name, role], usage.calls)
            if usage.prompt_tokens is not None:
                tokens.add_metric([name, role, "prompt"], usage.prompt_tokens)
            if usage.completion_tokens is not None:
                tokens.add_metric([name, role, "completion"], usage.completion_tokens)
            priced = None not in (section.price.input, section.price.output)
            if priced and usage.cost is not None:
                cost.add_metric([name, role, section.price.currency], usage.cost)
    yield from (calls, tokens, cost)


def _endpoint_metrics(flows: Iterable[tuple[str, Workflow]]) -> Iterator[Metric]:
    labels = ["config", "role", "endpoint"]
    up = GaugeMetricFamily(
        "a2r_endpoint_up",
        "1 while requests go to the endpoint, 0 while it is left alone or on trial.",
        labels=labels,
    )
    outstanding = GaugeMetricFamily(
        "a2r_endpoint_outstanding", "Requests under way at the endpoint.", labels=labels
    )
    waiting = GaugeMetricFamily(
        "a2r_calls_waiting", "Calls that wait for a place at an endpoint.", labels=["config"]
    )
    now = time.monotonic()
    for name, flow in flows:
        balancer = flow.models.load_balancer
        waiting.add_metric([name], balancer.waiting())
        for role in ROLES:
            section = flow.loaded.config.role(role)
            names = endpoint_group(section, patience=0.0).names if section else ()
            for url in dict.fromkeys(names):
                known = balancer.endpoint(url)
                place = [name, role, redact_url(url)]
                up.add_metric(place, float(known.circuit.closed and known.usable(now)))
                outstanding.add_metric(place, known.outstanding)
    yield from (up, outstanding, waiting)
