"""Every notebook runs and draws a picture, and is stored with its outputs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGE = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
SECONDS = 400
# The smallest config with short replies, set by the variables that the page documents.
SMALLEST = {
    "A2R_CONFIG": "tiny",
    "A2R_ENGINE__THREADS": "1",
    "A2R_EXPLORER__SAMPLING__MAX_TOKENS": "48",
    "A2R_SYNTHESIZER__SAMPLING__MAX_TOKENS": "64",
    "A2R_PROMPTS__EXPLORER__MATH": "'{question} Reply with the number alone.'",
    "A2R_PROMPTS__SYNTHESIZER": "'{references} {question} Reply with the number alone.'",
}
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def check(notebook: NotebookNode) -> None:
    """Check that every cell was executed without an error, and that there is a picture."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)


@pytest.mark.integration
@pytest.mark.engine
@by_name
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    """Run the command of the page."""
    [command] = re.findall(r"^A2R_CONFIG=local (jupyter execute .*)$", PAGE, re.MULTILINE)
    copy = Path(shutil.copy(path, tmp_path))
    program, *arguments = shlex.split(command.replace("01_quickstart.ipynb", copy.name))
    completed = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=tmp_path,
        env={**os.environ, **SMALLEST, "PATH": f"{Path(sys.executable).parent}:/usr/bin"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    check(nbformat.read(copy, as_version=4))


@by_name
def test_a_stored_notebook_was_executed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    check(notebook)
    outputs = str([cell.get("outputs") for cell in notebook.cells])
    assert str(Path.home()) not in outputs
    assert str(ROOT) not in outputs


def test_the_page_names_every_notebook() -> None:
    assert re.findall(r"\(\.\./notebooks/(\S+)\)", PAGE) == [path.name for path in NOTEBOOKS]
