"""The `vllm` section: valid and invalid values, messages, and the precedence of the layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from a2r.cli.config import config_app
from a2r.config import LoadedConfig, config_names, load_config
from a2r.config.roles import RoleConfig
from a2r.config.vllm import VllmConfig
from a2r.errors import ConfigError


def loaded(vllm: str, **changes: Any) -> LoadedConfig:
    explorer = {"model": "m", "endpoints": ["http://h/v1"], **changes}
    return load_config({"explorer": {**explorer, "vllm": yaml.safe_load(vllm)}})


def section(vllm: str) -> VllmConfig:
    read = loaded(vllm).config.explorer.vllm
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("vllm", "ports"),
    [
        ("{port: 8001}", [8001]),
        ("{port: 8001, replicas: 3}", [8001, 8002, 8003]),
        ("{ports: 8001-8003}", [8001, 8002, 8003]),
        ("{ports: '8001 - 8001'}", [8001]),
        ("{ports: [9000, 7000]}", [9000, 7000]),
        ("{ports: 8001-8002, replicas: 2}", [8001, 8002]),
    ],
)
def test_ports_and_replicas(vllm: str, ports: list[int]) -> None:
    assert section(vllm).all_ports == ports


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:8001/v1"),
        ("0.0.0.0", "http://127.0.0.1:8001/v1"),
        ("'::'", "http://[::1]:8001/v1"),
        ("'fd00::1'", "http://[fd00::1]:8001/v1"),
        ("gpu-1.lan", "http://gpu-1.lan:8001/v1"),
    ],
)
def test_omitted_endpoints_default_to_the_servers(host: str, base: str) -> None:
    role = RoleConfig.model_validate(
        {"model": "m", "vllm": yaml.safe_load(f"{{port: 8001, host: {host}}}")}
    )
    assert role.endpoints == [base]


@pytest.mark.parametrize(
    ("vllm", "message"),
    [
        ("{host: 127.0.0.1}", "explorer.vllm: set either port or ports"),
        ("{port: 1, ports: [2]}", "set either port or ports"),
        ("{port: true}", "explorer.vllm.port: input should be a valid integer"),
        ("{port: 70000}", "less than or equal to 65535"),
        ("{port: 8001-8002}", "use ports for several, such as ports: 8001-8004"),
        ("{ports: 8002-8001}", "a range must ascend"),
        ("{ports: 1-65535}", "at most 1000 ports"),
        ("{ports: some}", "expected a list of ports or a range like 8001-8004, not 'some'"),
        ("{ports: [1, 1]}", "a port is listed twice"),
        ("{ports: [1, 2], replicas: 3}", "2 ports for 3 replicas; set one port for each"),
        ("{port: 65535, replicas: 2}", "2 replicas from port 65535 exceed port 65535"),
        ("{port: 1, devices: [0, 1, 2], replicas: 2}", "cannot be split evenly among 2 replicas"),
        ("{port: 1, devices: [0], tensor_parallel_size: 2}", "1 devices are too few"),
        ("{port: 1, devices: [0, '0']}", "a device is listed twice"),
        ("{port: 1, devices: ['a b']}", "explorer.vllm.devices"),
        ("{port: 1, gpu_memory_utilization: 1.1}", "less than or equal to 1"),
        ("{port: 1, host: 'a b'}", "expected a host name or an IP address"),
        ("{port: 1, host: 1.2.3}", "expected a host name or an IP address"),
        ("{port: 1, flags: {api_key: x}}", "use api_key_env instead of the flag 'api_key'"),
        (
            "{port: 1, flags: {--max-model-len: 1}}",
            "use vllm.max_model_len instead of the flag '--max-model-len'",
        ),
        (
            "{port: 1, flags: {no-enable-prefix-caching: true}}",
            "use vllm.enable_prefix_caching instead of the flag",
        ),
        ("{port: 1, flags: {-tp: 2}}", "'-tp' is not the long name of a flag"),
        ("{port: 1, flags: {ssl-keyfile: k}}", "plain HTTP"),
        ("{port: 1, flags: {x: .nan}}", "a value cannot be passed on a command line"),
        ("{port: 1, env: {A: true}}", 'the value of A is not a string; quote it, such as A: "1"'),
        ("{port: 1, env: {A b: x}}", "'A b' is not the name of a variable"),
        ("{port: 1, env: {VLLM_API_KEY: k}}", "set api_key_env to the name of its variable"),
        ("{port: 1, env: 7}", "explorer.vllm.env"),
        ("{port: 1, startup: 0}", "explorer.vllm.startup"),
        ("{port: 1, restart: 2}", "did you mean 'explorer.vllm.restarts'?"),
    ],
)
def test_an_invalid_section_is_a_one_line_error_with_the_key(vllm: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(vllm)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flag_names_and_variable_values_are_normalized() -> None:
    read = section(
        "{port: 1, flags: {--max_num_seqs: 4, a-b.c_d: 1}, env: {A: 1, B: 0.5, C: null}}"
    )
    assert read.flags == {"max-num-seqs": 4, "a-b.c_d": 1}
    assert read.env == {"A": "1", "B": "0.5", "C": None}


def test_devices_are_split_among_the_replicas() -> None:
    read = section("{port: 1, replicas: 2, tensor_parallel_size: 2, devices: [0, 1, 2, GPU-3]}")
    assert [read.replica_devices(n) for n in range(2)] == [[0, 1], [2, "GPU-3"]]
    assert section("{port: 1, replicas: 2}").replica_devices(1) is None


def test_layers_merge_flags_and_variables_and_replace_ports() -> None:
    below = loaded("{port: 8001, env: {A: '1', B: '2'}, flags: {x: 1}}")
    above = below.override(
        {
            "explorer.vllm.env.B": "3",
            "explorer.vllm.flags.enforce-eager": True,
            "explorer.vllm.ports": "9001-9002",
        }
    )
    vllm = above.config.explorer.vllm
    assert vllm is not None
    assert vllm.env == {"A": "1", "B": "3"}
    assert vllm.flags == {"x": 1, "enforce-eager": True}
    assert vllm.all_ports == [9001, 9002]
    assert above.values()["explorer.vllm.env"] == {"A": "1", "B": "3"}


def test_the_environment_reaches_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A2R_SYNTHESIZER__VLLM__PORTS", "9100-9101")
    monkeypatch.setenv("A2R_SYNTHESIZER__VLLM__FLAGS", "{enforce-eager: true}")
    role = load_config("a2r-efficient").config.synthesizer
    assert role is not None
    assert role.vllm is not None
    assert (role.vllm.all_ports, role.vllm.flags) == ([9100, 9101], {"enforce-eager": True})


def test_a_section_survives_a_round_trip() -> None:
    first = loaded("{ports: 1-3, env: {A: 1, B: null}, flags: {x: [1, {y: 2}]}, host: '::1'}")
    again = load_config(first.config)
    assert again.config == first.config


def test_the_servers_of_shipped_configs_match_their_endpoints() -> None:
    served = [name for name in config_names() if load_config(name).config.explorer.vllm]
    assert served == [
        "a2r",
        "a2r-efficient",
        "cascade",
        "rounds",
        "select",
        "self-consistency",
    ]
    for name in served:
        config = load_config(name).config
        for role in filter(None, (config.explorer, config.synthesizer)):
            assert role.vllm is not None
            named = [url.replace("localhost", "127.0.0.1") for url in role.endpoints]
            assert role.vllm.endpoints == named


def without_endpoints(vllm: dict[str, Any], **changes: Any) -> LoadedConfig:
    """A config whose endpoints follow from its `vllm` section."""
    return load_config({"explorer": {"model": "m", "vllm": vllm, **changes}})


@pytest.mark.parametrize(
    ("vllm", "message"),
    [
        ({"port": "x"}, "config: explorer.vllm.port: expected one port"),
        ({"port": 0}, "config: explorer.vllm.port: input should be greater than or equal to 1"),
        ({"ports": [1, 1]}, "config: explorer.vllm: ports: a port is listed twice"),
        ({"port": 1, "devices": [0, 0]}, "config: explorer.vllm.devices: a device is listed twice"),
        ({"replicas": 2}, "config: explorer.vllm: set either port or ports"),
        (7, "config: explorer.vllm: input should be a valid dictionary"),
    ],
)
def test_the_error_names_the_key_of_the_section_if_endpoints_are_omitted(
    vllm: Any, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        without_endpoints(vllm)
    assert str(caught.value).startswith(message)
    assert "endpoints" not in str(caught.value)


def test_empty_endpoints_are_rejected_with_a_section() -> None:
    with pytest.raises(ConfigError, match=r"explorer\.endpoints: list should have at least 1 item"):
        without_endpoints({"port": 1}, endpoints=[])


@pytest.mark.parametrize("as_object", [True, False])
def test_derived_endpoints_follow_overrides_of_the_section(as_object: bool) -> None:
    first = without_endpoints({"port": 8001, "replicas": 2})
    loaded = load_config(first.config) if as_object else first
    moved = loaded.override({"explorer.vllm.port": 9001})
    assert moved.config.explorer.endpoints == [
        "http://127.0.0.1:9001/v1",
        "http://127.0.0.1:9002/v1",
    ]
    again = moved.override({"explorer.vllm.replicas": 1})
    assert again.config.explorer.endpoints == ["http://127.0.0.1:9001/v1"]
    named = again.override({"explorer.endpoints": ["http://h/v1"]})
    assert named.override({"explorer.vllm.port": 7}).config.explorer.endpoints == ["http://h/v1"]
    with pytest.raises(ConfigError, match=r"key 'explorer\.endpoints' is missing"):
        loaded.override({"explorer.vllm": None})


def test_explicit_endpoints_do_not_follow_overrides_of_the_section() -> None:
    explicit = without_endpoints({"port": 8001}, endpoints=["http://127.0.0.1:8001/v1"])
    moved = explicit.override({"explorer.vllm.port": 9001})
    assert moved.config.explorer.endpoints == ["http://127.0.0.1:8001/v1"]


def test_a_shown_config_contains_no_secret(tmp_path: Path) -> None:
    vllm = {"port": 1, "env": {"HF_TOKEN": "hf_abc", "MY_KEY": None, "HF_HUB_OFFLINE": 1}}
    role = {"model": "m", "endpoints": ["http://me:word@h/v1"], "vllm": vllm}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"explorer": role}))
    shown = CliRunner().invoke(config_app, ["show", str(path)]).output
    assert yaml.safe_load(shown)["explorer.vllm.env"] == {
        "HF_TOKEN": "[hidden]",
        "MY_KEY": None,
        "HF_HUB_OFFLINE": "1",
    }
    assert "hf_abc" not in shown
    assert "word" not in shown


@pytest.mark.parametrize(
    "endpoints", ["http://me:word@h/v1", ["htp://me:word@h/v1"], [["//m:word@h"]]]
)
def test_a_rejected_endpoint_is_quoted_without_its_password(endpoints: Any) -> None:
    with pytest.raises(ConfigError, match=r"explorer\.endpoints") as caught:
        load_config({"explorer": {"model": "m", "endpoints": endpoints}})
    assert "word" not in str(caught.value)
