"""`a2r.evaluation.replay`: reading recordings, and the metrics of rules on them."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from a2r import gates
from a2r.config import LoadedConfig, load_config
from a2r.config.gate import RULES
from a2r.errors import ConfigError
from a2r.evaluation.replay import (
    POOLED,
    FieldMapping,
    MetricsRow,
    RecordingError,
    Replay,
    build_rules,
    parse_kind,
    replay,
)
from a2r.evaluation.replay.bootstrap import bootstrap_difference
from a2r.evaluation.replay.recording_reader import read_recordings
from a2r.evaluation.replay.recording_schema import Recording, parse_recording
from a2r.evaluation.replay.wilson import wilson_interval
from a2r.gates import Gate, Plan, Votes
from a2r.result import GateReport

ROLE = {"model": "m", "endpoints": ["http://localhost:9/v1"]}
AGREED = ["4"] * 8
DISPUTED = ["4", "5", "4", "4", "4", "4", "4", "4"]
HASTY = ["5", "5", "4", "4", "4", "4", "4", "4"]
THREE = [AGREED, DISPUTED, HASTY]


def loaded(**changes: Any) -> LoadedConfig:
    config = {"explorer": {**ROLE, "waves": [2, 2, 4]}, "synthesizer": dict(ROLE)}
    return load_config(config, overrides=changes)


def question(answers: Sequence[Any], gold: str = "4", **changes: Any) -> dict[str, Any]:
    """A recorded question with one sample of 10 tokens per answer."""
    samples = [
        {"text": f"So \\boxed{{{answer}}}", "tokens": 10} if isinstance(answer, str) else answer
        for answer in answers
    ]
    return {"problem": "2+2?", "gold": gold, "kind": "math", "samples": samples, **changes}


def write_lines(path: Path, lines: Iterable[Any]) -> str:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text, encoding="utf-8")
    return str(path)


async def replay_rows(
    files: Sequence[str],
    config: LoadedConfig | None = None,
    rules: Sequence[str] = (),
    waves: Sequence[str] = (),
    **options: Any,
) -> list[MetricsRow]:
    config = config or loaded()
    plan = Replay(config=config.config, rules=build_rules(config, rules, waves), **options)
    return (await replay(files, plan)).rows


async def replay_row(
    folder: Path, questions: Iterable[Any], *args: Any, **options: Any
) -> MetricsRow:
    return (await replay_rows([write_lines(folder / "q.jsonl", questions)], *args, **options))[0]


async def test_the_metrics_of_three_questions(tmp_path: Path) -> None:
    row = await replay_row(tmp_path, map(question, THREE))
    assert row.questions == 3
    # Correct agreement after 2 samples, no agreement in 8, wrong agreement after 2.
    assert (row.accuracy, row.accuracy_all) == (2 / 3, 1.0)
    assert row.difference == pytest.approx(-1 / 3)
    assert (row.samples, row.samples_share) == (12, 0.5)
    assert (row.tokens, row.tokens_share, row.tokens_estimated) == (120, 0.5, False)
    assert (row.synthesis_share, row.accepted, row.accepted_accuracy) == (1 / 3, 2, 0.5)
    assert row.accuracy_all_interval == wilson_interval(3, 3)
    assert row.accuracy_interval[0] <= 2 / 3 <= row.accuracy_interval[1]
    assert row.difference_interval[0] <= -1 / 3 <= row.difference_interval[1]


async def test_another_rule_keeps_the_other_settings_of_the_gate(tmp_path: Path) -> None:
    config = loaded(**{"gate.quorum": 0.9, "gate.threshold": 0.7})
    rows = await replay_rows(
        [write_lines(tmp_path / "q.jsonl", map(question, THREE))], config, ["share"], ["2,2,4", "4"]
    )
    assert [row.as_json()["gate"]["quorum"] for row in rows] == [0.9] * 4
    assert [row.as_json()["waves"] for row in rows] == [[2, 2, 4], [4]] * 2
    # Agreement: 2 samples, 3 of 4, 2 wrong ones. In waves of 4: 4, 3, and a tie of 2.
    assert [row.samples for row in rows[:2]] == [8, 12]
    assert [row.accuracy for row in rows[:2]] == [2 / 3, 2 / 3]
    assert [row.synthesis_share for row in rows[:2]] == [0.0, 1 / 3]


@pytest.mark.parametrize(
    ("rule", "spent"),
    # beta 0.95 and the window accept 4 equal answers, sprt a lead of 3.
    [("beta", [4, 8, 8]), ("window", [4, 8, 8]), ("sprt", [4, 8, 8]), ("always", [8, 8, 8])],
)
async def test_the_number_of_samples_of_each_rule(
    rule: str, spent: list[int], tmp_path: Path
) -> None:
    for answers, expected in zip(THREE, spent, strict=True):
        assert (
            await replay_row(tmp_path, [question(answers)], loaded(), [rule])
        ).samples == expected


async def test_a_certain_vote_stops_early_unless_disabled(tmp_path: Path) -> None:
    stopped = await replay_row(tmp_path, [question(AGREED)], loaded(), ["never"])
    complete = await replay_row(
        tmp_path, [question(AGREED)], loaded(**{"stop.lossless": False}), ["never"]
    )
    assert (stopped.samples, complete.samples) == (4, 8)
    assert (stopped.accepted, stopped.synthesis_share) == (1, 0.0)


async def test_without_a_synthesizer_the_vote_decides(tmp_path: Path) -> None:
    for config in (loaded(synthesizer=None), loaded(graph="self_consistency")):
        row = await replay_row(tmp_path, [question(DISPUTED)], config)
        assert (row.accuracy, row.synthesis_share, row.accepted) == (1.0, 0.0, 1)


async def test_the_graph_single_replays_the_first_sample_alone(tmp_path: Path) -> None:
    row = await replay_row(tmp_path, [question(AGREED)], loaded(graph="single"))
    assert (row.samples, row.synthesis_share) == (1, 0.0)


async def test_joined_waves_change_no_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided_after: list[int] = []

    def decide(gate: Gate, rule: str, votes: Votes, plan: Plan) -> GateReport:
        decided_after.append(votes.started)
        return gates.decide(gate, rule, votes, plan)

    monkeypatch.setattr("a2r.evaluation.replay.simulate.decide", decide)
    for joined, expected in ((False, [1, 2, 3]), (True, [1, 3])):
        decided_after.clear()
        config = loaded(**{"gate.rule": "window", "gate.window": 3, "gate.merge_waves": joined})
        row = await replay_row(tmp_path, [question(["4"] * 5)], config, (), ["1,1,1,2"])
        assert (row.samples, row.accepted, decided_after) == (3, 1, expected)


async def test_a_truncated_sample_does_not_vote(tmp_path: Path) -> None:
    cut = {"text": "So \\boxed{5}", "tokens": 30, "finish_reason": "length"}
    row = await replay_row(tmp_path, [question(["4", cut])])
    # One answer of two samples is below the quorum.
    assert (row.accuracy, row.synthesis_share, row.accepted) == (1.0, 1.0, 0)
    assert (row.samples, row.tokens) == (2, 40)
    mapped = await replay_row(
        tmp_path,
        [question(["4", {"text": "So \\boxed{5}", "end": {"why": "max_tokens"}}, "4"])],
        fields=FieldMapping.parse(["finish_reason=end.why"]),
        waves=["3"],
    )
    assert (mapped.accuracy, mapped.accepted) == (1.0, 1)


async def test_thinking_is_not_an_answer_and_no_answer_is_wrong(tmp_path: Path) -> None:
    hidden = {"text": "<think>maybe \\boxed{4}"}
    unread = {"text": "No idea."}
    row = await replay_row(
        tmp_path, [question(pair) for pair in ([hidden] * 2, [unread] * 2, AGREED)]
    )
    assert (row.accuracy, row.accuracy_all, row.accepted_accuracy) == (1 / 3, 1 / 3, 1.0)
    # Only finished texts can be synthesized; thinking alone is not finished.
    assert (row.accepted, row.synthesis_share) == (1, 1 / 3)
    voted = await replay_row(tmp_path, [question([unread] * 2)], loaded(), ["never"])
    assert (voted.accuracy, voted.accepted) == (0.0, 1)


async def test_only_the_first_samples_and_only_recorded_ones(tmp_path: Path) -> None:
    first = await replay_row(tmp_path, [question(DISPUTED)], first=3)
    assert (first.samples, first.samples_share, first.synthesis_share) == (3, 1.0, 1.0)
    tied = await replay_row(tmp_path, [question(["5", "4", "4"])], first=2)
    # A tie goes to the lowest index.
    assert tied.accuracy_all == 0.0
    more = await replay_row(tmp_path, [question(AGREED)], waves=["2"])
    assert (more.samples, more.samples_share) == (2, 0.25)


async def test_each_prefix_is_clustered_separately(tmp_path: Path) -> None:
    # A bare 5 gets the unit that all others share: cm after one wave, none after both.
    units = ["5", "5\\text{ cm}", "5\\text{ kg}", "5\\text{ kg}"]
    row = await replay_row(tmp_path, [question(units, gold="5")], waves=["2,2"])
    assert (row.samples, row.accepted, row.accuracy) == (2, 1, 1.0)


async def test_choices_are_read_with_the_options_of_the_meta(tmp_path: Path) -> None:
    recorded = question(
        [{"text": "The answer is red."}, {"text": "The answer is (B)."}, {"text": "Answer: B"}],
        gold="B",
        kind="mcq",
        problem="Which colour?",
        meta={"choices": {"A": "blue", "B": "red"}},
    )
    row = await replay_row(tmp_path, [recorded], waves=["2,1"])
    # The kind choice requires three equal answers.
    assert (row.samples, row.accepted, row.accuracy) == (3, 1, 1.0)
    listed = parse_recording(
        json.dumps({**recorded, "meta": {"choices": ["blue", "red"]}}).encode(), FieldMapping()
    )
    assert listed.problem == "Which colour?\nA) blue\nB) red"


async def test_a_missing_kind_is_inferred_and_an_explicit_one_wins(tmp_path: Path) -> None:
    without_kind = question(["4", "4"], kind=None)
    assert (await replay_row(tmp_path, [without_kind])).accuracy == 1.0
    choice = question([{"text": "Answer: B"}] * 2, gold="B")
    assert (await replay_row(tmp_path, [choice], kind=parse_kind("mcq"))).accuracy == 1.0
    by_config = await replay_row(tmp_path, [{**choice, "kind": "auto"}], loaded(kind="choice"))
    assert by_config.accuracy == 1.0


async def test_answers_without_texts_and_estimated_tokens(tmp_path: Path) -> None:
    samples = [{"source_answer": "4"}, {"answer": 4}, {"answer": None}]
    row = await replay_row(tmp_path, [question(samples)], waves=["3"])
    assert (row.accuracy, row.accepted, row.tokens) == (1.0, 1, 2)
    assert row.tokens_estimated
    plain = {"problem": "2+2?", "gold": "#### 4", "samples": ["So \\boxed{4}"] * 2}
    row = await replay_row(tmp_path, [plain])
    assert (row.accuracy, row.tokens) == (1.0, 6)


async def test_field_names_can_be_mapped(tmp_path: Path) -> None:
    other = {"question": "2+2?", "answer": 4, "meta": {"runs": [{"output": "\\boxed{4}"}] * 2}}
    fields = FieldMapping.parse(
        ["problem=question", "gold=answer", "samples=meta.runs", "text=output", "answer=none"]
    )
    row = await replay_row(tmp_path, [other], fields=fields)
    assert (row.questions, row.accuracy, row.samples) == (1, 1.0, 2)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("gold", "expected FIELD=NAME"),
        ("glod=answer", "did you mean 'gold'"),
        ("gold=", "FIELD=NAME"),
    ],
)
def test_invalid_mappings(assignment: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        FieldMapping.parse([assignment])


BAD = [
    ("{", "invalid JSON"),
    ("[1]", "expected a JSON object"),
    (question([]), "'samples' must be a non-empty list"),
    ({**question(["4"]), "gold": None}, "'gold' is missing or empty"),
    ({**question(["4"]), "gold": ["4", "5"]}, "'gold' must be text"),
    (question([{"text": "4", "tokens": 10**400}]), "'tokens' must be a number"),
    (question([7]), "sample 0 must be text or an object"),
    (question(["4", {"output": "4"}]), "sample 1 has neither 'text' nor 'answer' or 'source"),
    (question([{"text": "4", "tokens": -1}]), "'tokens' must be a number"),
    (question([{"text": True}]), "'text' must be text"),
    ("[" * 100_000, "invalid JSON"),
]


def test_bad_lines_are_reported_and_skipped(tmp_path: Path) -> None:
    lines: list[Any] = [bad for bad, _ in BAD]
    file = write_lines(tmp_path / "q.jsonl", [*lines, "", question(["4"])])
    warnings: list[str] = []
    assert len(list(read_recordings(file, FieldMapping(), warnings.append))) == 1
    assert len(warnings) == len(BAD)
    for number, (warning, (_, message)) in enumerate(zip(warnings, BAD, strict=True), 1):
        assert warning.startswith(f"{file}:{number}: ")
        assert message in warning


def test_gzip_is_detected_by_its_first_bytes(tmp_path: Path) -> None:
    line = json.dumps(question(["4"])).encode() + b"\n"
    packed, plain, cut = (tmp_path / name for name in ("packed.txt", "plain.gz", "cut.gz"))
    packed.write_bytes(gzip.compress(line * 2))
    plain.write_bytes(line * 3)
    noise = random.Random(0).randbytes(40_000).hex().encode()
    cut.write_bytes(gzip.compress(line + b'{"noise": "' + noise + b'"}')[:-20_000])
    warnings: list[str] = []

    def read(path: Path) -> list[Recording]:
        return list(read_recordings(str(path), FieldMapping(), warnings.append))

    assert (len(read(packed)), len(read(plain)), warnings) == (2, 3, [])
    assert len(read(cut)) == 1
    assert [line.partition(": ")[2] for line in warnings] == [
        "the rest cannot be read: Compressed file ended before the end-of-stream marker was reached"
    ]


async def test_an_unknown_kind_is_reported_once_unless_the_kind_is_set(tmp_path: Path) -> None:
    lines = [{**question(AGREED), "kind": kind} for kind in ("number", "number", "Math", "MCQ")]
    file = write_lines(tmp_path / "q.jsonl", lines)
    for kind, count in ((None, 1), ("math", 0)):
        warnings: list[str] = []
        plan = Replay(
            config=loaded().config,
            rules=build_rules(loaded()),
            kind=None if kind is None else parse_kind(kind),
            on_warning=warnings.append,
        )
        replayed = await replay([file], plan)
        assert [row.questions for row in replayed.rows] == [4, 4]
        assert len(warnings) == count
        assert all("unknown kind 'number'" in warning for warning in warnings)


async def test_skipped_lines_are_counted_and_failed_calls_are_valid_lines(tmp_path: Path) -> None:
    lines = ["{", {**question(["4", None, "4"]), "gold": ["4"]}, question([])]
    [row, *_] = await replay_rows([write_lines(tmp_path / "q.jsonl", lines)], None, ["always"])
    assert (row.questions, row.left_out, row.samples, row.accuracy) == (1, 2, 3, 1.0)


@pytest.mark.parametrize(
    ("gold", "right"), [("B", 1.0), ("(b)", 1.0), ("Red", 1.0), ("blue", 0.0), ("A", 0.0)]
)
async def test_the_gold_answer_of_a_choice_may_be_the_text_of_the_option(
    gold: str, right: float, tmp_path: Path
) -> None:
    choice = {**question(["B"] * 2, gold), "kind": "choice"}
    choice["problem"] = "Which colour?\nA) blue\nB) red"
    assert (await replay_row(tmp_path, [choice])).accuracy_all == right


async def test_metrics_per_file_and_pooled(tmp_path: Path) -> None:
    first = write_lines(tmp_path / "one.jsonl", [question(AGREED)])
    two = write_lines(tmp_path / "two.jsonl", map(question, [DISPUTED, HASTY]))
    rows = await replay_rows([first, two], None, ["unanimous", "always"])
    assert [(row.file, row.rule.config.rule) for row in rows] == [
        (file, rule) for file in (first, two, POOLED) for rule in ("unanimous", "always")
    ]
    assert [row.accuracy for row in rows] == [1.0, 1.0, 0.5, 1.0, 2 / 3, 1.0]
    assert [row.samples for row in rows] == [2, 8, 10, 16, 12, 24]


async def test_a_file_without_a_question_is_reported_and_the_others_are_replayed(
    tmp_path: Path,
) -> None:
    good, empty = (
        write_lines(tmp_path / "q.jsonl", [question(AGREED)]),
        write_lines(tmp_path / "e", []),
    )
    plan = Replay(config=loaded().config, rules=build_rules(loaded()))
    replayed = await replay([empty, good, str(tmp_path)], plan)
    assert [row.file for row in replayed.rows] == [good, POOLED]
    assert replayed.unusable == [
        f"{empty}: contains no usable question",
        f"{tmp_path}: cannot be read: Is a directory",
    ]
    with pytest.raises(RecordingError, match=r"no usable question; .*No such file"):
        await replay([empty, str(tmp_path / "none")], plan)


def test_rules_that_cannot_accept_are_skipped_with_a_reason() -> None:
    warnings: list[str] = []
    rules = build_rules(loaded(), ["all"], ["2", "2,2,4"], warnings.append)
    assert [rule.config.rule for rule in rules if rule.waves == (2, 2, 4)] == list(RULES)
    possible = ["unanimous", "share", "always", "never"]
    assert [rule.config.rule for rule in rules if rule.waves == (2,)] == possible
    assert [line.split()[1] for line in warnings] == ["beta", "sprt", "window"]
    assert "window 4 is larger than the 2 samples" in warnings[2]
    with pytest.raises(ConfigError, match="no rule to replay"):
        build_rules(loaded(), ["window"], ["2"])


def test_gates_and_waves_default_to_the_config() -> None:
    [rule] = build_rules(loaded(**{"gate.rule": "share"}))
    assert (rule.config.rule, rule.waves, rule.synthesis) == ("share", (2, 2, 4), True)


@pytest.mark.parametrize("sizes", ["", "2,,4", "0", "-1", "two", "2.5", "²", "9" * 5000])
def test_invalid_waves(sizes: str) -> None:
    with pytest.raises(ConfigError, match="expected sizes"):
        build_rules(loaded(), (), [sizes])


def test_an_unknown_rule_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"--gate 'unanimus'.*did you mean 'unanimous'"):
        build_rules(loaded(), ["unanimus"])


async def test_a_custom_rule_and_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "def first(votes):\n    return 'accept', 'the first wave is enough'\n\n"
        "def broken(votes):\n    return votes.nothing\n"
    )
    file = [write_lines(tmp_path / "q.jsonl", map(question, THREE))]
    rows = await replay_rows(file, None, [f"{path}:first"])
    assert (rows[0].samples, rows[0].accepted, rows[0].accuracy) == (6, 3, 2 / 3)
    with pytest.raises(ConfigError, match=r"broken' failed: AttributeError"):
        await replay_rows(file, None, [f"{path}:broken"])


def test_differences_of_constant_metrics() -> None:
    assert bootstrap_difference([(True, False)]) == (1.0, 1.0)
    assert bootstrap_difference([(True, True), (False, False)] * 50) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe (Statistics in Medicine 17, 1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (30, 30, 0.8865, 1.0),
    ],
)
def test_intervals_of_shares(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("counts", [(40, 9, 4, 47), (1, 0, 2, 3), (900, 60, 20, 20)])
def test_the_interval_of_a_difference_is_a_bootstrap_by_question(
    counts: tuple[int, int, int, int],
) -> None:
    kinds = [(True, True), (True, False), (False, True), (False, False)]
    pairs = [pair for pair, n in zip(kinds, counts, strict=True) for _ in range(n)]
    interval = bootstrap_difference(pairs)
    assert interval == bootstrap_difference(pairs)
    rng, n = random.Random(1), len(pairs)
    draws = [rng.choices(pairs, k=n) for _ in range(2000)]
    means = sorted(sum(first - second for first, second in draw) / n for draw in draws)
    # Both intervals are estimates, which differ by a fraction of a standard error (0.5/√n).
    slack = max(1 / n, 0.15 / n**0.5)
    assert interval == pytest.approx((means[50], means[-51]), abs=slack + 1e-9)
