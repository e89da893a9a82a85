"""The process that tests one program: `python -I -m a2r.answers.sandbox.program_runner`.

It reads a JSON object from stdin, isolates itself, runs the program and its tests, and prints the
number of tests and of passed ones. `behavior` starts it, with a limit on the clock.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

from a2r.answers.sandbox.isolation import isolate
from a2r.answers.sandbox.program_tests import ProgramTests, parse_tests

MAX_OUTPUT_CHARACTERS = 1 << 16


def main() -> None:
    """Test the program of the request; print the counts as JSON."""
    request = json.loads(sys.stdin.read())
    output = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    sys.stdin = io.StringIO()
    tests = parse_tests(request["question"])
    program = compile(request["program"], "<program>", "exec")
    isolate(request["memory"], request["seconds"])
    passed = run_tests(program, tests)
    output.write(json.dumps({"tests": tests.count, "passed": passed}))
    output.flush()
    os._exit(0)


def run_tests(program: Any, tests: ProgramTests) -> int:
    """The number of tests that the program passes."""
    passed = 0
    if tests.asserts or tests.doctests:
        namespace = _run(program, "", "program")[0]
        passed += sum(_holds(statement, namespace) for statement in tests.asserts)
        passed += sum(_prints(source, want, namespace) for source, want in tests.doctests)
    for given, expected in tests.examples:
        printed = _run(program, given, "__main__")[1]
        passed += printed.split() == expected.split()
    return passed


def _run(program: Any, given: str, name: str) -> tuple[dict[str, Any], str]:
    """The names that a program defines and what it prints, as far as it runs."""
    namespace: dict[str, Any] = {"__name__": name}
    printed = io.StringIO()
    sys.stdin = io.StringIO(given)
    with contextlib.redirect_stdout(printed), contextlib.suppress(BaseException):
        exec(program, namespace)
    return namespace, printed.getvalue()[:MAX_OUTPUT_CHARACTERS]


def _holds(statement: str, namespace: dict[str, Any]) -> bool:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(statement, "<test>", "exec"), namespace)
    except BaseException:  # noqa: BLE001 - a tested program may raise anything
        return False
    return True


def _prints(source: str, want: str, namespace: dict[str, Any]) -> bool:
    """Whether a statement of a doctest prints what the question states."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(source, "<test>", "single"), namespace)
    except BaseException:  # noqa: BLE001 - a tested program may raise anything
        return False
    return printed.getvalue().split() == want.split()


if __name__ == "__main__":
    main()
