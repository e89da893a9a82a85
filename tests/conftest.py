from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings

# A slow machine must not fail a test.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove environment variables that affect tests, except the location of the model cache."""
    for name in list(os.environ):
        if name.startswith(("A2R_", "OPENAI_")) and name != "A2R_CACHE":
            monkeypatch.delenv(name)
    if request.node.get_closest_marker("engine"):
        # The engine's threads spin while they wait, which is slow if tests share the cores.
        monkeypatch.setenv("A2R_ENGINE__THREADS", "1")


# Python's audit events of starting a process and of opening a socket.
INTEGRATION_EVENTS = frozenset(
    {"os.fork", "os.posix_spawn", "os.system", "socket.bind", "socket.connect", "subprocess.Popen"}
)
_unmarked = ""


def _check_marker(event: str, _: object) -> None:
    if _unmarked and event in INTEGRATION_EVENTS:
        raise RuntimeError(f"{event} in {_unmarked}, which is not marked as integration")


sys.addaudithook(_check_marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Fail a test without the marker that starts a process or opens a socket."""
    global _unmarked
    _unmarked = "" if item.get_closest_marker("integration") else item.name
    try:
        return (yield)
    finally:
        _unmarked = ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line with the skipped and deselected tests and the reasons."""
    reports = terminalreporter.stats.get("skipped", [])
    expression = terminalreporter.config.option.markexpr
    terminalreporter.write_line(
        summarize_skipped([report.longrepr for report in reports], expression)
    )


def summarize_skipped(skipped: Sequence[tuple[str, int, str]], expression: str) -> str:
    """Summarize skipped tests, as (file, line, reason), and deselected ones."""
    reasons = Counter(_reason(file, reason) for file, _, reason in skipped)
    counts = [f"{count} because {reason}" for reason, count in reasons.items()] or ["nothing"]
    chosen = f"; chosen by marker: {expression}" if expression else ""
    return f"skipped: {'; '.join(counts)}{chosen}"


def _reason(file: str, reason: str) -> str:
    """The reason of a test in this repository, or the package of an inherited test."""
    _, _, inside = file.partition("site-packages/")
    package = inside.partition("/")[0]
    return f"{package} has no use for it" if package else reason.removeprefix("Skipped: ")
