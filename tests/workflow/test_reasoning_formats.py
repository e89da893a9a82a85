"""Thinking in any format reaches neither the synthesizer nor what the user reads."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import openai
import pytest

from a2r import ChatA2R
from tests.fault_server import Behavior, FaultServer, Script
from tests.support.preloaded_python import python
from tests.support.serving import MODEL, hosted, written

pytestmark = pytest.mark.integration

HARMONY = (
    "<|channel|>analysis<|message|>{thinking}<|end|><|start|>assistant<|channel|>final<|message|>"
    "{answer}<|return|>"
)
FORMATS = {
    "think": "<think>\n{thinking}\n</think>\n\n{answer}",
    "thinking": "<thinking>{thinking}</thinking>\n{answer}",
    "magistral": "[THINK]{thinking}[/THINK]{answer}</s>",
    "harmony": HARMONY,
    "harmony without tokens": "analysis{thinking}assistantfinal{answer}",
    "cohere": "<|START_THINKING|>{thinking}<|END_THINKING|><|START_RESPONSE|>{answer}"
    "<|END_RESPONSE|>",
    "seed": "<seed:think>{thinking}</seed:think>{answer}<seed:eos>",
    "granite": "Here is my thought process: {thinking} Here is my response: {answer}",
}
SECRET = "We need SECRET numbers, maybe \\boxed{999}."
VISIBLE = 3
CUT_OFF = (
    "<think>\n",
    "[THINK]",
    "analysis",
    "<|channel|>analysis<|message|>",
    "<|START_THINKING|>",
)


def script(frame: str) -> Script:
    """Samples of one format that disagree, others that only think, and a synthesis."""

    def reply(body: dict[str, Any], _: int) -> Behavior:
        if body["model"] == "big":
            text = "The second is right.\n\n\\boxed{2}"
            return Behavior(text=frame.format(thinking=SECRET, answer=text))
        seed = body["seed"]
        if seed >= VISIBLE:
            return Behavior(text=CUT_OFF[seed - VISIBLE] + SECRET)
        text = f"Visible {seed}.\n\n\\boxed{{{seed}}}"
        return Behavior(text=frame.format(thinking=SECRET, answer=text))

    return reply


@pytest.mark.parametrize("name", FORMATS)
def test_thinking_stays_with_its_model(name: str, tmp_path: Path) -> None:
    with FaultServer(script(FORMATS[name])) as server:
        config = written(tmp_path, server.url, explorer__samples=VISIBLE + len(CUT_OFF))
        shown = subprocess.run(
            [python(), "-m", "a2r", "ask", "1+1?", "-c", str(config), "--show", "solution"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        with hosted(config) as served:
            client = openai.OpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=30)
            messages: Any = [{"role": "user", "content": "1+1?"}]
            plain = client.chat.completions.create(model=MODEL, messages=messages)
            with client.chat.completions.create(
                model=MODEL, messages=messages, stream=True
            ) as stream:
                streamed = [chunk.choices[0].delta.content or "" for chunk in stream]
        message = ChatA2R(config=str(config)).invoke("1+1?")
        requests = [body for body in server.request_log.requests if body["model"] == "big"]
    solution = "The second is right.\n\n\\boxed{2}"
    assert shown.stdout == f"{solution}\n"
    assert plain.choices[0].message.content == solution
    assert "".join(streamed).strip() == solution
    assert message.content == solution
    assert len(requests) == 4
    for request in requests:
        prompt = str(request["messages"])
        assert all(f"Visible {seed}." in prompt for seed in range(VISIBLE))
        assert prompt.count("</reference>") == VISIBLE
        assert not any(text in prompt for text in ("SECRET", "999", "assistantfinal"))
