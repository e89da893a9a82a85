"""Configs: invalid values and their messages, and the precedence of the layers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from a2r.config import Config, config_names, load_config
from a2r.config.known_keys import known_keys
from a2r.errors import ConfigError

MINIMAL = "explorer: {model: m, endpoints: [http://x/v1]}\n"


def write_config(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("explorer: {modell: m}", "unknown key 'explorer.modell'; did you mean 'explorer.model'?"),
        (MINIMAL + "gaet: {}", "unknown key 'gaet'; did you mean 'gate'?"),
        (
            MINIMAL + "gate: {rule: unanimus}",
            "gate.rule: unknown rule; use module:name or a built-in rule; did you mean 'unanimous'",
        ),
        (MINIMAL + "gate: {quorum: 2}", "gate.quorum: input should be less than or equal to 1"),
        (MINIMAL + "gate: 7", "gate: input should be a valid dictionary"),
        ("explorer: {model: m, endpoints: []}", "explorer.endpoints: list should have at least 1"),
        ("explorer: {model: m, endpoints: [localhost]}", "expected 'embedded' or a URL"),
        ("explorer: {endpoints: [embedded]}", "key 'explorer.model' is missing"),
        ("explorer: {model: m, endpoints: [embedded], samples: 0}", "explorer.samples"),
        ("explorer: {model: m, endpoints: [embedded], samples: true}", "explorer.samples"),
        (
            "explorer: {model: m, endpoints: [embedded], samples: 2, waves: [2]}",
            "set either samples or waves, not both",
        ),
        (MINIMAL + "prompts: {synthesizer: hello}", "{references}"),
        (
            MINIMAL + "synthesizer: {model: m, endpoints: [embedded], price: {currency: EUR}}",
            "different currencies",
        ),
        (MINIMAL + "prompts: {explorer: {math: hello}}", "{question}"),
        ("explorer: [", "mine.yaml"),
        (MINIMAL + "kind: math\nkind: text", "mine.yaml:3: duplicate key 'kind'"),
        (MINIMAL + "kind: !!int x", "mine.yaml"),
        ("explorer: {model: m, endpoints: ['http://h:abc/v1']}", "or a URL"),
        ("explorer: {model: m, endpoints: ['http://a..b/v1']}", "or a URL"),
        ("explorer: {model: m, endpoints: [embedded], samples: 1000000000}", "explorer.samples"),
        (MINIMAL.replace("}", ", sampling: {temperature: .inf}}"), "finite number"),
        (MINIMAL.replace("}", ", sampling: {extra_body: {a: .nan}}}"), "cannot be sent as JSON"),
        (
            MINIMAL.replace("}", ", sampling: {extra_body: {stream: true}}}"),
            "'stream' is set by a2r and cannot go in extra_body",
        ),
        (MINIMAL + "graph: " + "[" * 5000, "mine.yaml"),
        ("just text", "expected a YAML mapping"),
        ("", "expected a YAML mapping"),
    ],
)
def test_an_invalid_config_is_a_one_line_error_with_file_and_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(tmp_path, text))
    line = str(caught.value)
    assert message in line
    assert "mine.yaml" in line
    assert "\n" not in line


def test_precedence_is_argument_environment_file_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(
        tmp_path, MINIMAL.replace("}", ", samples: 2, concurrency: 2, sampling: {seed: 2}}")
    )
    monkeypatch.setenv("A2R_EXPLORER__SAMPLES", "3")
    monkeypatch.setenv("A2R_EXPLORER__SAMPLING__SEED", "3")
    loaded = load_config(path, assignments=["explorer.sampling.seed=4"])
    assert loaded.config.explorer.samples == 3
    assert loaded.config.explorer.concurrency == 2
    assert loaded.config.explorer.sampling.seed == 4
    assert loaded.config.gate.quorum == 0.5
    assert loaded.origins["explorer.samples"] == "A2R_EXPLORER__SAMPLES"
    assert loaded.origins["explorer.concurrency"] == str(path)
    assert loaded.origins["explorer.sampling.seed"] == "--set"
    assert "gate.quorum" not in loaded.origins


def test_dotted_keys_merge_into_a_mapping_and_a_mapping_replaces_it(tmp_path: Path) -> None:
    extra = "explorer.sampling.extra_body"
    path = write_config(tmp_path, MINIMAL.replace("}", ", sampling: {extra_body: {top_k: 20}}}"))
    loaded = load_config(
        path, assignments=[f"{extra}.min_p=0.1", f"{extra}.a.b=1", f"{extra}.a.c=2"]
    )
    body = loaded.config.explorer.sampling.extra_body
    assert body == {"top_k": 20, "min_p": 0.1, "a": {"b": 1, "c": 2}}
    loaded = load_config(path, assignments=[f"{extra}={{}}"])
    assert loaded.config.explorer.sampling.extra_body == {}


def test_dates_are_not_parsed(tmp_path: Path) -> None:
    loaded = load_config(write_config(tmp_path, MINIMAL), assignments=["explorer.model=2020-99-99"])
    assert loaded.config.explorer.model == "2020-99-99"


def test_samples_in_a_higher_layer_replace_waves_in_a_lower_layer(tmp_path: Path) -> None:
    path = write_config(tmp_path, MINIMAL.replace("}", ", waves: [2, 2]}"))
    assert load_config(path).config.explorer.wave_sizes == [2, 2]
    assert load_config(path, overrides={"explorer.samples": 5}).config.explorer.wave_sizes == [5]
    unchanged = load_config(path, overrides={"explorer.samples": None})
    assert unchanged.config.explorer.wave_sizes == [2, 2]


def test_a_section_can_be_overridden_by_null_and_by_parts() -> None:
    assert load_config("a2r", assignments=["synthesizer=null"]).config.synthesizer is None
    loaded = load_config("a2r", overrides={"gate": {"rule": "never"}})
    assert (loaded.config.gate.rule, loaded.config.gate.quorum) == ("never", 0.5)


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_config_is_valid_and_has_a_description(name: str) -> None:
    loaded = load_config(name)
    assert loaded.name == name
    assert loaded.config.deadline.call <= loaded.config.deadline.question


def test_the_keys_of_the_design_are_known() -> None:
    keys = known_keys()
    for key in ("explorer.sampling.extra_body", "synthesizer.price.output", "engine.threads"):
        assert keys[key] == "value"
    assert {"deadline.call", "explorer.waves", "gate.quorum", "prompts.explorer.json"} <= set(keys)


@pytest.mark.parametrize("source", [load_config("tiny").config, load_config("tiny")])
def test_a_config_object_is_a_config(source: Any) -> None:
    assert load_config(source, overrides={"explorer.samples": 2}).config.explorer.samples == 2


def test_a_config_is_immutable() -> None:
    config = load_config("tiny").config
    assert isinstance(config, Config)
    with pytest.raises(ValueError, match=re.escape("frozen")):
        config.kind = "math"


def test_a_loaded_config_takes_assignments_and_overrides() -> None:
    loaded = load_config("tiny", overrides={"explorer.sampling.extra_body.a": 1})
    changed = load_config(
        loaded,
        assignments=["explorer.samples=5", "explorer.sampling.extra_body.b=2"],
        overrides={"gate.quorum": 0.25, "explorer.sampling.extra_body.c": 3},
    )
    assert (changed.config.explorer.samples, changed.config.gate.quorum) == (5, 0.25)
    assert changed.config.explorer.sampling.extra_body == {"a": 1, "b": 2, "c": 3}
    assert changed.origins["explorer.samples"] == "--set"
    assert load_config(loaded) is loaded


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://h:8000/v1", "http://h:8000/v1"),
        ("http://h:8000/v1/", "http://h:8000/v1"),
        ("http://h:8000/v1#/chat", "http://h:8000/v1"),
        ("http://h:8000/v1/chat/completions", "http://h:8000/v1"),
        ("http://h:8000/v1/chat/completions/", "http://h:8000/v1"),
        ("http://h:8000/v1/completions", "http://h:8000/v1"),
        ("http://h:8000/v1/models#x", "http://h:8000/v1"),
        ("https://u:p@h/gateway/v1/chat/completions?v=1", "https://u:p@h/gateway/v1?v=1"),
        ("http://[::1]:8001/v1/", "http://[::1]:8001/v1"),
        ("http://h", "http://h"),
    ],
)
def test_an_endpoint_is_the_base_url(url: str, base: str) -> None:
    role = {"model": "m", "endpoints": [url]}
    assert load_config({"explorer": role}).config.explorer.endpoints == [base]
