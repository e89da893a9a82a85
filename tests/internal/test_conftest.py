"""The summary of skipped tests, and the check of the integration marker."""

from __future__ import annotations

import socket
import subprocess

import pytest

from tests.conftest import summarize_skipped


def test_skipped_tests_are_reported_once_per_reason() -> None:
    skipped = [("a.py", 1, "Skipped: no Postgres"), ("b.py", 2, "Skipped: no Postgres")]
    other = ("c.py", 3, "Skipped: no curl")
    assert summarize_skipped([*skipped, other], "") == (
        "skipped: 2 because no Postgres; 1 because no curl"
    )


def test_skipped_tests_of_a_package_are_reported_together() -> None:
    path = "/venv/lib/python3.11/site-packages/langchain_tests/unit_tests/chat_models.py"
    skipped = [(path, line, f"Skipped: no {line}") for line in (1, 2)]
    assert summarize_skipped(skipped, "") == "skipped: 2 because langchain_tests has no use for it"


def test_a_test_without_the_marker_starts_no_process() -> None:
    with pytest.raises(RuntimeError, match=r"subprocess\.Popen in .* not marked as integration"):
        subprocess.Popen(["true"])


def test_a_test_without_the_marker_opens_no_socket() -> None:
    with (
        socket.socket() as listener,
        pytest.raises(RuntimeError, match="not marked as integration"),
    ):
        listener.bind(("127.0.0.1", 0))


def test_deselected_tests_are_reported() -> None:
    assert summarize_skipped([], "not vllm") == "skipped: nothing; chosen by marker: not vllm"
