"""The short form of the benchmarks runs to its end and measures every figure.

Whether the figures are within their limits is for `make bench` on a quiet machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(280)
def test_the_short_form_measures_every_figure() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.orchestration", "short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=270,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    figures = [float(f) for f in re.findall(r" (\d+\.\d{3}) .*\((?:least|limit)", ended.stdout)]
    assert len(figures) == 12, ended.stdout
    assert all(figure > 0 for figure in figures)
    memory = re.search(r"memory of a question.* (\d+\.\d+) KB", ended.stdout)
    assert memory
    assert float(memory[1]) < 300
