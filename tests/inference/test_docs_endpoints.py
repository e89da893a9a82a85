"""The tables of docs/endpoints.md on errors and finish reasons match the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from a2r.config import load_config
from a2r.inference.call_errors import to_call_error
from a2r.inference.error_codes import error_status
from a2r.inference.finish_reasons import STATUS_BY_FINISH_REASON
from a2r.inference.transport.http_sessions import StatusError

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "endpoints.md").read_text()


def rows(title: str) -> list[list[str]]:
    """Return the rows of the table under a heading."""
    section = TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_finish_reasons_have_the_statuses_of_the_table() -> None:
    statuses = {
        reason: status.strip("`")
        for reasons, status, _ in rows("Finish reasons")
        for reason in re.findall(r"`(\w+)`", reasons)
    }
    assert set(STATUS_BY_FINISH_REASON) <= set(statuses)
    for reason, status in statuses.items():
        assert STATUS_BY_FINISH_REASON.get(reason, "answered") == status


def test_the_statuses_are_retried_as_in_the_table() -> None:
    checked = 0
    for event, error_type, retry in rows("Retries"):
        for code in re.findall(r"\b[45]\d\d\b", event):
            error = to_call_error(StatusError(int(code), "", "", {}))
            assert f"`{error.error_type}`" == error_type, code
            assert error.transient == (retry != "never"), code
            assert error.overloaded == ("free" in retry), code
            checked += 1
    assert checked == 12


def test_the_words_in_codes_mean_the_statuses_of_the_table() -> None:
    table = TEXT.split("| word in the code", 1)[1].split("\n\n", 1)[0]
    checked = 0
    for line in table.splitlines()[2:-1]:
        words, status = line.strip("| ").split(" | ")
        for word in re.findall(r"`(\w+)(?:…)?`", words):
            assert error_status({"error": {"code": word}}) == int(status), word
            checked += 1
    assert checked > 20


def test_the_example_is_a_config(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "example.yaml"
    path.write_text(example)
    config = load_config(path).config
    assert config.explorer.weights == [1, 2]
    data = yaml.safe_load(example)
    # The other values of the example are the defaults.
    assert config.deadline.model_dump() == data["deadline"]
    assert config.deadline == type(config.deadline)()
    assert config.explorer.retries == type(config.explorer).model_fields["retries"].default


@pytest.mark.parametrize("name", ["test-vllm", "soak", "bench"])
def test_the_make_targets_exist(name: str) -> None:
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text()
    assert re.search(rf"^{name}:", makefile, re.MULTILINE)
