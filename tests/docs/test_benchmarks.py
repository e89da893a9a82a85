"""The short form of the benchmarks completes and measures every figure.

`make bench` on an idle machine checks whether the figures are within their limits.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(280)
def test_the_short_form_measures_every_figure() -> None:
    completed = subprocess.run(
        [python(), "-m", "benchmarks.orchestration", "short"],
        cwd=ROOT,
        env={**os.environ, "BENCHMARK_PYTHON": python()},
        capture_output=True,
        text=True,
        check=False,
        timeout=270,
    )
    assert "Traceback" not in completed.stderr, completed.stderr
    figures = [float(f) for f in re.findall(r" (\d+\.\d{3}) .*\((?:min|max)", completed.stdout)]
    assert len(figures) == 12, completed.stdout
    assert all(figure > 0 for figure in figures)
    memory = re.search(r"memory per concurrent question.* (\d+\.\d+) KB", completed.stdout)
    assert memory
    assert float(memory[1]) < 300


@pytest.mark.timeout(280)
def test_the_short_form_of_serving_measures_every_figure() -> None:
    completed = subprocess.run(
        [python(), "-m", "benchmarks.serving", "short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=270,
    )
    assert "Traceback" not in completed.stderr, completed.stderr
    figures = dict(re.findall(r"^(\S.*?)  +(\d+\.\d{3}) .*\(max", completed.stdout, re.MULTILINE))
    assert len(figures) == 6, completed.stdout
    assert float(figures["delay of the first delta after its sample, 95th percentile"]) > 0
    assert float(figures["failed or incomplete streams"]) == 0
    assert float(figures["upstream requests still open"]) == 0
