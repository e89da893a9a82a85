"""The `llm` command with the server, configured in extra-openai-models.yaml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.clients import (
    QUESTION,
    SYNTHESIZED,
    Setup,
    Start,
    Sum,
    import_client,
    json_reply,
)
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

import_client("llm")
pytestmark = [pytest.mark.integration, pytest.mark.clients]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of llm's settings."""
    path = tmp_path / "llm"
    path.mkdir()
    monkeypatch.setenv("LLM_USER_PATH", str(path))
    return path


def configure(folder: Path, setup: Setup) -> None:
    models = [
        {"model_id": "a2r", "model_name": MODEL, "supports_schema": True},
        {"model_id": "unknown", "model_name": f"{MODEL}e"},
    ]
    for model in models:
        model |= {"api_base": setup.server.url}
    (folder / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))


def run_llm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm", *arguments, QUESTION],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("options", [["--no-stream"], []], ids=["plain", "stream"])
def test_a_reply(folder: Path, disagreeing: Setup, options: list[str]) -> None:
    configure(folder, disagreeing)
    done = run_llm("-m", "a2r", *options)
    assert (done.stdout.strip(), done.returncode) == (SYNTHESIZED.text, 0)


def test_a_schema(folder: Path, start: Start) -> None:
    configure(folder, start(replies(small=json_reply(42))))
    done = run_llm("-m", "a2r", "--schema", json.dumps(Sum.model_json_schema()))
    assert Sum.model_validate_json(done.stdout) == Sum(terms=[12, 30], total=42)


def test_an_unknown_model(folder: Path, agreeing: Setup) -> None:
    configure(folder, agreeing)
    done = run_llm("-m", "unknown")
    assert f"did you mean '{MODEL}'" in done.stderr
    assert done.returncode != 0
