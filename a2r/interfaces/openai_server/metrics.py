"""Prometheus metrics: requests, methods, tokens, latencies, the queue, and the endpoints."""

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
from a2r.inference.routing.role_endpoints import endpoint_group
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter
from a2r.result import ROLES, Result
from a2r.workflow.budget import is_budget_reason
from a2r.workflow.workflow import Workflow

Outcome = Result | Literal["failed", "cancelled"]
BUCKETS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """The metrics of one server, in a collector registry per server."""

    def __init__(self, models: ModelRegistry, limiter: ConcurrencyLimiter) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "a2r_requests",
            "Requests by model and final status, which differs from 200 if a stream fails later "
            "(499: the client disconnected); model is empty if it is unknown.",
            ["model", "status", "stream"],
            registry=self.registry,
        )
        self.results = Counter(
            "a2r_results",
            "Runs by outcome: the result's method, none (no answer), failed, cancelled.",
            ["model", "method"],
            registry=self.registry,
        )
        self.skips = Counter(
            "a2r_synthesis_skipped",
            "Results that the gate accepted without the graph's synthesis.",
            ["model"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "a2r_stage_seconds",
            "Seconds by stage: queue, first_sample, explore, synthesize, run, request.",
            ["model", "stage"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_LiveCollector(models, limiter))

    def on_run_end(self, model: str, outcome: Outcome) -> None:
        """Record the outcome of a run."""
        if not isinstance(outcome, Result):
            self.results.labels(model, outcome).inc()
            return
        self.results.labels(model, outcome.method or "none").inc()
        self.seconds.labels(model, "run").observe(outcome.seconds)
        if _synthesis_skipped(outcome):
            self.skips.labels(model).inc()

    def for_run(self, model: str) -> RunMetrics:
        """The stage timings of a new run."""
        return RunMetrics(model=model, seconds=self.seconds)


def _synthesis_skipped(result: Result) -> bool:
    gate = result.gate
    accepted = gate is not None and gate.decision == "accept" and not is_budget_reason(gate.reason)
    planned = result.savings is not None and result.savings.fixed.syntheses > 0
    return accepted and planned and not result.synthesis


@dataclass
class RunMetrics:
    """Measures the stages of a run from its events."""

    model: str
    seconds: Histogram
    _started_at: dict[str, float] = field(default_factory=dict)

    def on_event(self, event: AnyEvent) -> None:
        """Start or stop the timers of the stages that an event belongs to."""
        match event:
            case RunStarted():
                self._start("first_sample")
                self._start("explore")
            case SampleFinished():
                self._stop("first_sample")
            case GateDecided() if event.gate.decision != "sample_more":
                self._stop("explore")
            case SynthesisStarted():
                self._start("synthesize")
            case SynthesisFinished():
                self._stop("synthesize")

    def _start(self, stage: str) -> None:
        self._started_at.setdefault(stage, time.monotonic())

    def _stop(self, stage: str) -> None:
        started_at = self._started_at.pop(stage, None)
        if started_at is not None:
            self.seconds.labels(self.model, stage).observe(time.monotonic() - started_at)


@dataclass(frozen=True, eq=False)
class _LiveCollector(Collector):
    """Reads the state of the workflows at each scrape, which the server does not count itself."""

    models: ModelRegistry
    limiter: ConcurrencyLimiter

    def collect(self) -> Iterator[Metric]:
        """The current values."""
        yield GaugeMetricFamily(
            "a2r_requests_running", "Running requests.", value=self.limiter.running
        )
        yield GaugeMetricFamily(
            "a2r_requests_waiting", "Requests in the queue.", value=self.limiter.waiting
        )
        workflows = self.models.workflows()
        yield from _usage_metrics(workflows.items())
        yield from _endpoint_metrics(workflows.items())

    def describe(self) -> list[Metric]:
        """Nothing, as the labels depend on the configs in use."""
        return []


def _usage_metrics(workflows: Iterable[tuple[str, Workflow]]) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "a2r_calls",
        "Requests to endpoints, including retries and cancelled ones.",
        labels=["config", "role"],
    )
    tokens = CounterMetricFamily(
        "a2r_tokens",
        "Tokens spent, including cancelled and failed calls.",
        labels=["config", "role", "kind"],
    )
    cost = CounterMetricFamily(
        "a2r_cost",
        "Money spent; absent if a price is unknown.",
        labels=["config", "role", "currency"],
    )
    for name, workflow in workflows:
        usage_by_role = workflow.models.ledger.total()
        for role in ROLES:
            section = workflow.loaded.config.role(role)
            if section is None:
                continue
            usage = getattr(usage_by_role, role)
            calls.add_metric([name, role], usage.calls)
            if usage.prompt_tokens is not None:
                tokens.add_metric([name, role, "prompt"], usage.prompt_tokens)
            if usage.completion_tokens is not None:
                tokens.add_metric([name, role, "completion"], usage.completion_tokens)
            has_prices = None not in (section.price.input, section.price.output)
            if has_prices and usage.cost is not None:
                cost.add_metric([name, role, section.price.currency], usage.cost)
    yield from (calls, tokens, cost)


def _endpoint_metrics(workflows: Iterable[tuple[str, Workflow]]) -> Iterator[Metric]:
    labels = ["config", "role", "endpoint"]
    up = GaugeMetricFamily(
        "a2r_endpoint_up",
        "1 while requests go to the endpoint, 0 while its circuit breaker is open or half open.",
        labels=labels,
    )
    outstanding = GaugeMetricFamily(
        "a2r_endpoint_outstanding", "Outstanding requests at the endpoint.", labels=labels
    )
    waiting = GaugeMetricFamily(
        "a2r_calls_waiting", "Calls that wait for a slot at an endpoint.", labels=["config"]
    )
    now = time.monotonic()
    for name, workflow in workflows:
        balancer = workflow.models.load_balancer
        waiting.add_metric([name], balancer.waiting())
        for role in ROLES:
            section = workflow.loaded.config.role(role)
            urls = endpoint_group(role, section, wait_timeout=0.0).names if section else ()
            for url in dict.fromkeys(urls):
                endpoint = balancer.endpoint(url)
                values = [name, role, redact_url(url)]
                up.add_metric(values, float(endpoint.circuit.closed and endpoint.usable(now)))
                outstanding.add_metric(values, endpoint.outstanding_calls(role))
    yield from (up, outstanding, waiting)
