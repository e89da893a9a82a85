from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings

# A busy machine is no reason to fail.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the developer's own decides a test, but for the model cache."""
    for name in list(os.environ):
        if name.startswith(("A2R_", "OPENAI_")) and name != "A2R_CACHE":
            monkeypatch.delenv(name)
    if request.node.get_closest_marker("engine"):
        # An engine's threads wait for each other busily, which is slow where tests share the cores.
        monkeypatch.setenv("A2R_ENGINE__THREADS", "1")


# What starts a process or opens a socket, by the names of Python's audit events.
REACHING_OUT = frozenset(
    {"os.fork", "os.posix_spawn", "os.system", "socket.bind", "socket.connect", "subprocess.Popen"}
)
_unmarked = ""


def _hold_to_the_marker(event: str, _: object) -> None:
    if _unmarked and event in REACHING_OUT:
        raise RuntimeError(f"{event} in {_unmarked}, which is not marked as integration")


sys.addaudithook(_hold_to_the_marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Without the marker, a test fails where it starts a process or opens a socket."""
    global _unmarked
    _unmarked = "" if item.get_closest_marker("integration") else item.name
    try:
        return (yield)
    finally:
        _unmarked = ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell in one line what was not run and why, which dots alone do not."""
    reports = terminalreporter.stats.get("skipped", [])
    expression = terminalreporter.config.option.markexpr
    terminalreporter.write_line(left_out([report.longrepr for report in reports], expression))


def left_out(skipped: Sequence[tuple[str, int, str]], expression: str) -> str:
    """What was skipped, as (file, line, reason), and what was not chosen."""
    reasons = Counter(_reason(file, reason) for file, _, reason in skipped)
    counts = [f"{count} because {reason}" for reason, count in reasons.items()] or ["nothing"]
    chosen = f"; chosen by marker: {expression}" if expression else ""
    return f"skipped: {'; '.join(counts)}{chosen}"


def _reason(file: str, reason: str) -> str:
    """The reason that a test of ours gives; of tests that a package brings, whose they are."""
    _, _, inside = file.partition("site-packages/")
    package = inside.partition("/")[0]
    return f"{package} has no use for it" if package else reason.removeprefix("Skipped: ")
