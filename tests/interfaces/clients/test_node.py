"""openai-node and the AI SDK with the server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.clients import (
    QUESTION,
    SYNTHESIZED,
    Start,
    disagreement,
    json_reply,
)
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

FOLDER = Path(__file__).with_name("node")
INSTALLED = (FOLDER / "node_modules").is_dir() and shutil.which("node") is not None
pytestmark = [
    pytest.mark.integration,
    pytest.mark.clients,
    pytest.mark.skipif(not INSTALLED, reason="node or its packages are not installed"),
]


@pytest.mark.parametrize(
    ("program", "error"), [("openai.js", "NotFoundError"), ("ai_sdk.js", "AI_APICallError")]
)
def test_a_client(start: Start, program: str, error: str) -> None:
    urls = [start(script).server.url for script in (disagreement, replies(small=json_reply(42)))]
    done = subprocess.run(
        ["node", program, *urls, MODEL, QUESTION],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["text"] == SYNTHESIZED.text
    reasoning, text = shown["blocks"]
    assert (reasoning["kind"], text) == ("reasoning", {"kind": "text", "text": SYNTHESIZED.text})
    assert "votes: 2 for 42" in reasoning["text"]
    assert shown["json"] == {"terms": [12, 30], "total": 42}
    assert shown["error"]["kind"] == error
    assert f"did you mean '{MODEL}'" in shown["error"]["message"]
