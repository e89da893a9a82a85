"""`a2r replay` on the command line, beside the workflow that it simulates, and its docs page."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from a2r import A2R
from a2r.config import load_config
from a2r.config.gate import RULES
from a2r.evaluation.replay import Replay, __all__, build_rules, replay
from tests.support.fake_openai import ScriptedReply, config_for, fake_openai, replies
from tests.support.preloaded_python import python, search_path

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "replay.md").read_text()
COMMANDS = [
    line[2:]
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
CONFIG = {
    "explorer": {"model": "m", "endpoints": ["http://localhost:9/v1"], "waves": [2, 2, 4]},
    "synthesizer": {"model": "m", "endpoints": ["http://localhost:9/v1"]},
}
CUT = "length"


def sample(answer: str, finish: str = "stop") -> dict[str, Any]:
    text = f"Therefore \\boxed{{{answer}}}" if answer else "I don't know."
    return {"text": text, "tokens": 5, "finish_reason": finish}


def recorded(answers: str) -> dict[str, Any]:
    """A question with one sample per character: a digit, no answer (`-`), or truncated (`x`)."""
    samples = [sample("9", CUT) if a == "x" else sample(a.strip("-")) for a in answers]
    return {"problem": "What is 2+2?", "gold": "4", "kind": "math", "samples": samples}


QUESTIONS = [recorded(a) for a in ("44444444", "45444444", "55444444", "4x4-5444", "--------")]


def write_files(folder: Path) -> None:
    """Write the recordings and the config of the page and the tests."""
    text = "".join(json.dumps(question) + "\n" for question in QUESTIONS)
    (folder / "samples.jsonl").write_text(text)
    (folder / "samples.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "rules.py").write_text(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0])
    other = {
        "question": "What is 2+2?",
        "answer": "2 and 2 make 4\n#### 4",
        "meta": {"generations": [{"output": "\\boxed{4}"}] * 3},
    }
    (folder / "other.jsonl").write_text(json.dumps(other))


def a2r(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python(), "-m", "a2r", "replay", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        **options,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path)
    return tmp_path


def test_the_json_document(folder: Path) -> None:
    files = ("samples.jsonl", "samples.jsonl.gz")
    completed = a2r(folder, *files, "-c", "mine.yaml", "--gate", "unanimous", "--json")
    assert (completed.returncode, completed.stderr) == (0, "")
    document = json.loads(completed.stdout)
    assert (document["schema_version"], document["first"]) == (1, None)
    plain, packed, pooled = document["rows"]
    assert [row["file"] for row in document["rows"]] == [
        "samples.jsonl",
        "samples.jsonl.gz",
        "pooled",
    ]
    assert {**packed, "file": "samples.jsonl"} == plain
    assert (plain["rule"], plain["waves"]) == ("unanimous", [2, 2, 4])
    assert plain["gate"] == load_config(CONFIG).config.gate.model_dump(mode="json", by_alias=True)
    assert plain["gate"]["min_votes"]["json"] == 2
    expected = {
        "questions": 5,
        # Correct: the question that agrees at 2, the disputed one, and the truncated one.
        "accuracy": 0.6,
        "accuracy_all": 0.8,
        "samples": 2 + 8 + 2 + 4 + 8,
        "samples_share": 24 / 40,
        "tokens": 120,
        "tokens_share": 0.6,
        "tokens_estimated": False,
        "synthesis_share": 0.4,
        "accepted": 3,
        "accepted_accuracy": pytest.approx(2 / 3),
        "difference": pytest.approx(-0.2),
    }
    assert {key: plain[key] for key in expected} == expected
    assert (pooled["questions"], pooled["samples"]) == (10, 48)
    assert pooled["difference"] == plain["difference"]
    for row in document["rows"]:
        for name in ("accuracy", "accuracy_all", "difference"):
            low, high = row[f"{name}_interval"]
            assert low <= row[name] <= high


def test_by_default_every_rule_is_replayed_starting_with_the_configs_rule(folder: Path) -> None:
    overrides = ("--set", "gate.rule=share", "--waves", "[2, 2, 4]", "--first", "8")
    completed = a2r(folder, "samples.jsonl", "-c", "mine.yaml", *overrides, "--json")
    rules = [row["rule"] for row in json.loads(completed.stdout)["rows"] if row["file"] == "pooled"]
    assert rules[0] == "share"
    assert sorted(rules) == sorted(RULES)
    # The default config is `a2r`, not the one for a machine without a GPU.
    completed = a2r(folder, "samples.jsonl", "--json")
    assert (
        json.loads(completed.stdout)["rows"][0]["waves"] == load_config("a2r").config.explorer.waves
    )


def test_the_table_fits_and_matches_the_json(folder: Path) -> None:
    completed = a2r(folder, "samples.jsonl", "-c", "mine.yaml", "--gate", "all")
    assert (completed.returncode, completed.stderr) == (0, "")
    lines = completed.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].strip() == "samples.jsonl"
    assert lines[1].startswith("5 questions; the vote of all samples: 0.800 (")
    cells = lines[3].split()
    assert (cells[0], cells[1], cells[2], cells[5]) == ("unanimous", "2,2,4", "0.600", "-0.200")
    assert cells[-5:] == ["60.0%", "60.0%", "40.0%", "3", "0.667"]
    assert [line.split()[0] for line in lines[3:10]] == [
        *("unanimous", "share", "beta", "sprt", "window", "always", "never")
    ]


def test_a_narrow_terminal_omits_the_intervals(folder: Path) -> None:
    master, slave = pty.openpty()
    command = [python(), "-m", "a2r", "replay", "samples.jsonl", "-c", "mine.yaml"]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    subprocess.run(
        command, stdout=slave, stderr=subprocess.PIPE, cwd=folder, env=environment, timeout=120
    )
    os.close(slave)
    shown = re.sub(r"\x1b\[[0-9;?]*\w", "", os.read(master, 4096).decode())
    os.close(master)
    lines = shown.splitlines()
    assert lines[2].split() == [
        *("rule", "waves", "acc", "diff", "samples", "tokens", "synth", "accepted")
    ]
    assert lines[3].split()[:4] == ["unanimous", "2,2,4", "0.600", "-0.200"]


def test_bad_lines_and_impossible_rules_are_reported_and_skipped(folder: Path) -> None:
    good = (folder / "samples.jsonl").read_text().splitlines()[0]
    options = ["-c", "mine.yaml", "--gate", "all", "--waves", "2", "--first", "2", "--json"]
    completed = a2r(folder, "-", *options, input=f"no\n{good}\n{{}}\n")
    assert completed.returncode == 0
    document = json.loads(completed.stdout)
    assert document["first"] == 2
    rules = ["unanimous", "share", "always", "never"]
    assert [row["rule"] for row in document["rows"]] == rules * 2
    assert [(row["questions"], row["samples"]) for row in document["rows"]] == [(1, 2)] * 8
    lines = completed.stderr.splitlines()
    assert [line.split(" skipped")[0] for line in lines[:3]] == [
        f"a2r: gate.rule {rule}" for rule in ("beta", "sprt", "window")
    ]
    assert [line.split(": ")[1] for line in lines[3:]] == ["-:1", "-:3"]


def test_replay_errors_are_one_line_and_exit_code_2(folder: Path) -> None:
    (folder / "empty").write_text("\n")
    for arguments, message in (
        (["none.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        (["empty"], "empty: contains no usable question"),
        (["samples.jsonl", "--kind", "sum"], "sum"),
        (["samples.jsonl", "--map", "golden=answer"], "unknown field 'golden'"),
        (["samples.jsonl", "--gate", "window", "--waves", "2"], "no rule to replay"),
        (["samples.jsonl", "--gate", "rules.py:none"], "there is no none in rules.py"),
        (["samples.jsonl", "--waves", "2;2"], "expected sizes"),
        (["samples.jsonl", "--set", "gate.rule=windw"], "did you mean 'window'"),
    ):
        completed = a2r(folder, *arguments)
        assert (completed.returncode, completed.stdout) == (2, ""), arguments
        last = completed.stderr.splitlines()[-1]
        assert last.startswith("a2r: ")
        assert message in last
        assert "Traceback" not in completed.stderr


def test_a_missing_file_does_not_affect_the_others(folder: Path) -> None:
    files = ("none.jsonl", "samples.jsonl")
    completed = a2r(folder, *files, "-c", "mine.yaml", "--gate", "unanimous", "--json")
    assert completed.returncode == 2
    assert [row["file"] for row in json.loads(completed.stdout)["rows"]] == [
        "samples.jsonl",
        "pooled",
    ]
    assert completed.stderr == "a2r: none.jsonl: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("rule", "waves"),
    [
        ("unanimous", [2, 2, 4]),
        ("share", [2, 1, 1, 4]),
        ("beta", [1, 3, 4]),
        ("sprt", [2, 2, 4]),
        ("window", [2, 3, 3]),
        ("always", [4, 4]),
        ("never", [2, 2, 4]),
    ],
)
async def test_replaying_equals_the_workflow_on_the_same_samples(
    rule: str, waves: list[int], tmp_path: Path
) -> None:
    for index, question in enumerate(QUESTIONS[:4]):
        says = [
            ScriptedReply(text=s["text"], finish_reason=s["finish_reason"])
            for s in question["samples"]
        ]
        changes = {"explorer__waves": waves, "explorer__samples": None, "gate": {"rule": rule}}
        with fake_openai(replies(small=says, big=ScriptedReply(text="\\boxed{77}"))) as server:
            config = config_for(server.url, **changes)
            result = await A2R(config).aask(question["problem"])
        file = tmp_path / f"{index}.jsonl"
        file.write_text(json.dumps(question))
        loaded = load_config(config)
        plan = Replay(config=loaded.config, rules=build_rules(loaded))
        row = (await replay([str(file)], plan)).rows[0]
        assert result.gate is not None
        assert row.samples == len(result.samples)
        assert row.accepted == (result.gate.decision == "accept")
        assert row.synthesis_share == (result.gate.decision == "synthesize")
        assert row.accuracy == (result.clusters[0].answer == "4")
        if row.accepted:
            assert row.accuracy == (result.answer == "4")


def test_the_page_names_every_option_and_column(folder: Path) -> None:
    completed = a2r(folder, "samples.jsonl", "-c", "mine.yaml", "--json")
    shown = a2r(folder, "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    for option in set(re.findall(r"--[a-z]+", shown)) - {"--help"}:
        assert f"`{option}" in PAGE, option
    for key in json.loads(completed.stdout)["rows"][0]:
        assert f"`{key}`" in PAGE, key


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 7
    assert all("a2r replay" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, folder: Path) -> None:
    done = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": search_path(os.environ["PATH"])},
        cwd=folder,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout + "".join(path.read_text() for path in folder.glob("rows.json"))
    assert "pooled" in printed


def test_the_example_line_of_the_page_is_a_recording(folder: Path) -> None:
    [line] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    completed = a2r(folder, "-", "-c", "mine.yaml", "--json", input=line)
    row = json.loads(completed.stdout)["rows"][0]
    assert (row["samples"], row["tokens"], row["accuracy"]) == (2, 21, 1.0)


def test_the_program_of_the_page_prints_a_line_for_each_rule(folder: Path) -> None:
    program = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    completed = subprocess.run(
        [python(), "-c", program], capture_output=True, text=True, check=False, cwd=folder
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    assert [line.split()[0] for line in completed.stdout.splitlines()] == list(RULES)


def test_the_page_names_the_public_names() -> None:
    assert [name for name in __all__ if not re.search(rf"\b{name}\b", PAGE)] == []
