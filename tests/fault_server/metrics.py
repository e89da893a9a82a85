"""The counters as Prometheus text with vLLM's metric names."""

from __future__ import annotations

from tests.fault_server.request_log import RequestLog
from tests.fault_server.request_record import ModelCounts

FINISH_REASONS = ("stop", "length", "abort", "error", "repetition")
GAUGES = {
    "num_requests_running": ("Number of requests in model execution batches.", "running"),
    "num_requests_waiting": ("Number of requests waiting to be processed.", "waiting"),
}
COUNTERS = {
    "prefix_cache_queries": (
        "Prefix cache queries, in terms of number of queried tokens.",
        "cache_queries",
    ),
    "prefix_cache_hits": ("Prefix cache hits, in terms of number of cached tokens.", "cache_hits"),
    "prompt_tokens": ("Number of prefill tokens processed.", "prompt_tokens"),
    "generation_tokens": ("Number of generation tokens processed.", "generated"),
}


def metrics_text(log: RequestLog, models: tuple[str, ...]) -> str:
    """Return the text of /metrics; models without requests have zeros."""
    counts_by_model = {model: log.models.get(model, ModelCounts()) for model in models}
    lines: list[str] = []
    for name, (explanation, count) in GAUGES.items():
        lines += _head(f"vllm:{name}", explanation, "gauge")
        lines += [_line(f"vllm:{name}", m, getattr(counts_by_model[m], count)) for m in models]
    for name, (explanation, count) in COUNTERS.items():
        lines += _head(f"vllm:{name}_total", explanation, "counter")
        lines += [
            _line(f"vllm:{name}_total", m, getattr(counts_by_model[m], count)) for m in models
        ]
    success = "vllm:request_success_total"
    lines += _head(success, "Count of successfully processed requests.", "counter")
    for model, counts in counts_by_model.items():
        reasons = dict.fromkeys([*FINISH_REASONS, *counts.finish_reasons])
        lines += [
            _line(success, model, counts.finish_reasons[reason], reason) for reason in reasons
        ]
    return "\n".join(lines) + "\n"


def _head(name: str, explanation: str, kind: str) -> list[str]:
    return [f"# HELP {name} {explanation}", f"# TYPE {name} {kind}"]


def _line(name: str, model: str, value: int, reason: str | None = None) -> str:
    finished = "" if reason is None else f'finished_reason="{reason}",'
    return f'{name}{{engine="0",{finished}model_name="{model}"}} {float(value)}'
