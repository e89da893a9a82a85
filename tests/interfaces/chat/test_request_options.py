"""The options of a chat request as overrides of a config."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.config import Config, LoadedConfig, RoleConfig, load_config
from a2r.config.field_types import MAX_SEED
from a2r.errors import ConfigError, OptionError
from a2r.interfaces.chat import ChatOptions
from tests.support.fake_openai import config_for

URL = "http://127.0.0.1:1/v1"
SCHEMA = {"type": "object", "properties": {"a.b": {"type": "string"}, "c": {}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}


def load(**changes: Any) -> LoadedConfig:
    return load_config(config_for(URL, **changes))


def apply(options: ChatOptions, choice: int = 0, **changes: Any) -> Config:
    base = load(**changes)
    return base.override(options.overrides(base.config, choice=choice)).config


def get_synthesizer(config: Config) -> RoleConfig:
    assert config.synthesizer is not None
    return config.synthesizer


def test_no_option_changes_nothing() -> None:
    assert ChatOptions().overrides(load().config) == {}
    assert ChatOptions().ineffective_options(load().config) == []


def test_sampling_options_apply_to_both_roles() -> None:
    config = apply(
        ChatOptions(temperature=0.3, top_p=0.5, stop=["\n\n", "END"], extra={"top_k": 5})
    )
    for role in (config.explorer, get_synthesizer(config)):
        assert (role.sampling.temperature, role.sampling.top_p) == (0.3, 0.5)
        assert role.sampling.extra_body == {"stop": ["\n\n", "END"], "top_k": 5}


@pytest.mark.parametrize(
    ("options", "explorer", "synthesizer"),
    [
        (ChatOptions(temperature=0), (1.0, None), (0, None)),
        (ChatOptions(top_p=0), (1.0, None), (0, None)),
        (ChatOptions(temperature=0.5, top_p=0), (0.5, None), (0, None)),
        (ChatOptions(temperature=0, top_p=0.5), (1.0, 0.5), (0, 0.5)),
    ],
    ids=str,
)
def test_greedy_decoding_applies_where_samples_need_not_differ(
    options: ChatOptions,
    explorer: tuple[float, float | None],
    synthesizer: tuple[float, float | None],
) -> None:
    config = apply(options, explorer__sampling__temperature=1.0)
    for role, expected in (
        (config.explorer, explorer),
        (get_synthesizer(config), synthesizer),
    ):
        assert (role.sampling.temperature, role.sampling.top_p) == expected
    zero = {name for name in ("temperature", "top_p") if getattr(options, name) == 0}
    assert [warning.split()[0] for warning in options.ineffective_options(load().config)] == sorted(
        zero
    )


def test_a_single_sample_may_be_greedy() -> None:
    options = ChatOptions(temperature=0, samples=3)
    assert apply(options, graph="single").explorer.sampling.temperature == 0
    assert options.ineffective_options(load(graph="single").config) == [
        "samples 3 is ignored: the graph draws a single one"
    ]


def test_a_config_without_a_synthesizer_has_one_role() -> None:
    config = apply(ChatOptions(temperature=0.3, seed=3, stop=["x"]), synthesizer=None)
    assert config.explorer.sampling.temperature == 0.3
    assert config.synthesizer is None


def test_extra_parameters_of_the_config_are_sent_too() -> None:
    extra = {"top_k": 20, "stop": ["own"], "chat_template_kwargs": {"thinking": True}}
    options = ChatOptions(stop=["x"], extra={"min_p": 0.1})
    config = apply(options, explorer__sampling__extra_body=extra)
    assert config.explorer.sampling.extra_body == extra | {"stop": ["x"], "min_p": 0.1}


@pytest.mark.parametrize(("requested", "allowed"), [(10, 10), (64, 64), (65, 64), (10**12, 64)])
def test_max_tokens_never_exceed_the_limit_of_the_config(requested: int, allowed: int) -> None:
    config = apply(ChatOptions(max_tokens=requested))
    assert config.explorer.sampling.max_tokens == allowed
    assert get_synthesizer(config).sampling.max_tokens == allowed


def test_max_tokens_of_a_config_without_a_limit() -> None:
    config = apply(ChatOptions(max_tokens=1000), explorer__sampling__max_tokens=None)
    assert config.explorer.sampling.max_tokens == 1000
    assert get_synthesizer(config).sampling.max_tokens == 64


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_extra_parameter_cannot_bypass_the_limit(name: str) -> None:
    with pytest.raises(OptionError, match=name) as raised:
        ChatOptions(extra={name: 10**6}).overrides(load().config)
    assert raised.value.option == name


@pytest.mark.parametrize("name", ["model", "messages", "stream", "stream_options", "n", "seed"])
def test_an_extra_parameter_cannot_replace_one_set_by_a2r(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        apply(ChatOptions(extra={name: 1}))


def test_an_extra_parameter_is_sent_unchanged() -> None:
    extra = {"logit_bias": {"50.2": 1, "7": -100}, "chat_template_kwargs": {}, "x.y": [1, None]}
    assert apply(ChatOptions(extra=extra)).explorer.sampling.extra_body == extra


def test_temperature_0_applies_to_the_synthesizer_if_samples_have_to_differ() -> None:
    options = ChatOptions(temperature=0)
    config = apply(options)
    assert config.explorer.sampling.temperature == 0.5
    assert get_synthesizer(config).sampling.temperature == 0
    assert len(options.ineffective_options(load().config)) == 1


@pytest.mark.parametrize("options", [ChatOptions(temperature=0), ChatOptions(top_p=0)], ids=str)
@pytest.mark.parametrize(
    ("changes", "greedy"),
    [
        ({"synthesizer__samples": 4}, False),
        ({"synthesis": {"rounds": [4, 1]}}, False),
        ({"synthesis": {"rounds": [1, 1]}}, True),
        ({"graph": "cascade", "cascade": {"waves": [2]}}, False),
        ({"graph": "cascade", "cascade": {"waves": [2], "temperature": 0.7}}, True),
        ({"graph": "cascade", "cascade": {"waves": [1]}}, True),
    ],
    ids=str,
)
def test_the_synthesizer_is_not_greedy_with_several_samples(
    options: ChatOptions, changes: dict[str, Any], greedy: bool
) -> None:
    temperature = get_synthesizer(load(**changes).config).sampling.temperature
    sampling = get_synthesizer(apply(options, **changes)).sampling
    assert (sampling.temperature, sampling.top_p) == (0 if greedy else temperature, None)
    [warning] = options.ineffective_options(load(**changes).config)
    assert ("synthesizer" in warning) == (not greedy)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (ChatOptions(temperature=0, samples=1), {}),
        (ChatOptions(top_p=0, samples=1), {}),
        (ChatOptions(temperature=0.0), {"explorer__samples": 1}),
    ],
)
def test_greedy_decoding_applies_to_a_single_sample(
    options: ChatOptions, changes: dict[str, Any]
) -> None:
    changes["gate__rule"] = "never"
    assert apply(options, **changes).explorer.sampling.temperature == 0
    assert options.ineffective_options(load(**changes).config) == []


def test_temperature_0_with_waves_of_one() -> None:
    waves: dict[str, Any] = {"explorer__samples": None, "explorer__waves": [1, 1]}
    assert apply(ChatOptions(temperature=0), **waves).explorer.sampling.temperature == 0.5
    low = apply(ChatOptions(temperature=1e-9), **waves)
    assert low.explorer.sampling.temperature == 1e-9


def test_samples_replace_waves() -> None:
    config = apply(ChatOptions(samples=3), explorer__samples=None, explorer__waves=[2, 4])
    assert config.explorer.wave_sizes == [3]


def test_the_gate_and_the_kind() -> None:
    config = apply(ChatOptions(gate={"rule": "share", "threshold": 0.9}, kind="choice"))
    assert (config.gate.rule, config.kind) == ("share", "choice")


@pytest.mark.integration
def test_a_response_format_is_passed_verbatim_and_sets_the_kind_json() -> None:
    config = apply(ChatOptions(response_format=FORMAT, kind="math"))
    assert config.answers.response_format == FORMAT
    assert config.kind == "json"


@pytest.mark.integration
def test_a_response_format_replaces_the_one_of_the_config() -> None:
    config = apply(
        ChatOptions(response_format={"type": "json_object"}), answers={"response_format": FORMAT}
    )
    assert config.answers.response_format == {"type": "json_object"}


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [
        ChatOptions(samples=0),
        ChatOptions(samples=-1),
        ChatOptions(max_tokens=0),
        ChatOptions(temperature=-1),
        ChatOptions(temperature=float("nan")),
        ChatOptions(top_p=-0.1),
        ChatOptions(top_p=2),
        ChatOptions(kind="riddle"),
        ChatOptions(gate={"nope": 1}),
        ChatOptions(extra={"x": float("inf")}),
        ChatOptions(response_format={"type": "text"}),
        ChatOptions(response_format={"type": "json_schema"}),
        ChatOptions(
            response_format={"type": "json_schema", "json_schema": {"schema": {"type": 1}}}
        ),
    ],
    ids=lambda options: str(options)[:60],
)
def test_invalid_options_are_a_config_error(options: ChatOptions) -> None:
    with pytest.raises(ConfigError):
        apply(options)


def seeds(role: RoleConfig, count: int) -> set[int]:
    assert role.sampling.seed is not None
    return {role.sampling.seed + index for index in range(count)}


@given(
    seed=st.one_of(st.none(), st.integers(-(2**70), 2**70), st.sampled_from([0, -1, MAX_SEED])),
    samples=st.integers(2, 6),
    syntheses=st.integers(1, 9),
    rounds=st.sampled_from([None, [3, 1], [8]]),
)
def test_no_two_choices_share_a_seed(
    seed: int | None, samples: int, syntheses: int, rounds: list[int] | None
) -> None:
    changes: dict[str, Any] = {"synthesizer__samples": syntheses, "synthesis__rounds": rounds}
    options = ChatOptions(seed=seed, samples=samples)
    taken: dict[str, set[int]] = {"explorer": set(), "synthesizer": set()}
    attempts = sum(rounds) if rounds else syntheses
    for choice in range(4):
        config = apply(options, choice=choice, **changes)
        for name, role, count in (
            ("explorer", config.explorer, samples),
            ("synthesizer", get_synthesizer(config), attempts),
        ):
            used = seeds(role, count)
            assert used.isdisjoint(taken[name]), f"{name} of choice {choice}"
            taken[name] |= used


@given(st.integers(0, MAX_SEED - 1))
def test_the_first_choice_has_the_requested_seed(seed: int) -> None:
    assert apply(ChatOptions(seed=seed)).explorer.sampling.seed == seed


def test_the_seed_of_the_first_choice_defaults_to_the_config() -> None:
    assert apply(ChatOptions()).explorer.sampling.seed == 0
    assert get_synthesizer(apply(ChatOptions())).sampling.seed == 7
    unseeded = apply(ChatOptions(), choice=3, explorer__sampling__seed=None)
    assert unseeded.explorer.sampling.seed is None
