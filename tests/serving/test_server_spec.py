"""The exact command of each server, and the Compose file of the servers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from a2r.config import load_config
from a2r.errors import ConfigError
from a2r.serving.vllm.compose import compose_file
from a2r.serving.vllm.server_spec import MODULE, ServerSpec, server_specs, unlisted_servers

ROLE = {"model": "Qwen/Qwen3-4B"}


def specs(explorer: dict[str, Any], synthesizer: dict[str, Any] | None = None) -> list[ServerSpec]:
    config: dict[str, Any] = {"explorer": {**ROLE, **explorer}}
    if synthesizer:
        config["synthesizer"] = {**ROLE, **synthesizer}
    return server_specs(load_config(config))


def single_spec(vllm: dict[str, Any], **role: Any) -> ServerSpec:
    [spec] = specs({"vllm": {"port": 8001, **vllm}, **role})
    return spec


def test_the_command_of_a_small_section() -> None:
    spec = single_spec({})
    address = ["--model", "Qwen/Qwen3-4B", "--port", "8001", "--host", "127.0.0.1"]
    assert spec.argv() == [sys.executable, "-m", MODULE, *address]
    assert spec.settings() == {"PYTHONUNBUFFERED": "1"}
    assert (spec.url, spec.root) == ("http://127.0.0.1:8001/v1", "http://127.0.0.1:8001")


def test_every_setting_has_its_flag() -> None:
    spec = single_spec(
        {
            "host": "0.0.0.0",
            "tensor_parallel_size": 2,
            "data_parallel_size": 2,
            "max_model_len": 4096,
            "dtype": "bfloat16",
            "enable_prefix_caching": False,
            "reasoning_parser": "qwen3",
            "gpu_memory_utilization": 0.9,
            "stream_interval": 4,
            "devices": [0, 1, 2, 3],
            "flags": {
                "enforce-eager": True,
                "enable-chunked-prefill": False,
                "max_num_seqs": 64,
                "lora-modules": ["a=b", {"name": "c"}],
                "rope-scaling": {"factor": 2.0},
                "left-out": None,
            },
            "env": {"A": "1", "B": None},
        }
    )
    assert spec.argv()[7:] == [
        *("--host", "0.0.0.0", "--tensor-parallel-size", "2", "--data-parallel-size", "2"),
        *("--max-model-len", "4096", "--dtype", "bfloat16", "--no-enable-prefix-caching"),
        *("--reasoning-parser", "qwen3", "--gpu-memory-utilization", "0.9"),
        *("--stream-interval", "4", "--enforce-eager", "--no-enable-chunked-prefill"),
        *("--max-num-seqs", "64", "--lora-modules", "a=b", '{"name": "c"}'),
        *("--rope-scaling", '{"factor": 2.0}'),
    ]
    assert spec.settings() == {
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "0,1,2,3",
        "A": "1",
    }
    assert (spec.gpus, spec.url) == (4, "http://127.0.0.1:8001/v1")


def test_each_replica_has_a_port_and_a_share_of_the_devices() -> None:
    several = specs({"vllm": {"port": 8001, "replicas": 2, "devices": [4, 5]}})
    assert [(s.name, s.port, s.settings()["CUDA_VISIBLE_DEVICES"]) for s in several] == [
        ("explorer-1", 8001, "4"),
        ("explorer-2", 8002, "5"),
    ]


def test_paths_start_from_the_folder_of_the_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    vllm = "{port: 8001, model: ./models/small, python: env/bin/python}"
    path.write_text(f"explorer: {{model: small, vllm: {vllm}}}")
    [spec] = server_specs(load_config(path))
    assert spec.loaded_model == str(tmp_path / "models" / "small")
    assert spec.python == str(tmp_path / "env" / "bin" / "python")
    assert spec.argv()[-2:] == ["--served-model-name", "small"]


def test_a_hub_name_is_not_a_path() -> None:
    spec = single_spec({"model": "Qwen/Qwen3-4B-AWQ", "python": "python3"})
    assert (spec.loaded_model, spec.model_path) == ("Qwen/Qwen3-4B-AWQ", None)
    assert spec.python == "python3"
    assert spec.arguments == ("--served-model-name", "Qwen/Qwen3-4B")


def test_a_server_shared_by_both_roles_is_listed_once() -> None:
    vllm = {"port": 8001, "max_model_len": 4096}
    [spec] = specs({"vllm": vllm}, {"vllm": vllm})
    assert spec.roles == ("explorer", "synthesizer")
    assert spec.label == "explorer and synthesizer (Qwen/Qwen3-4B, port 8001)"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {},
            {"model": "other"},
            "port 8001 is used by both explorer (Qwen/Qwen3-4B) and synthesizer",
        ),
        ({"vllm": {"max_model_len": 9}}, {}, "their vllm sections differ (max-model-len)"),
        ({}, {"vllm": {"restarts": 1}}, "their vllm sections differ (restarts)"),
        ({}, {"api_key_env": "K"}, "their vllm sections differ (api_key_env)"),
        (
            {"vllm": {"replicas": 2}},
            {"model": "o", "vllm": {"port": 8002}},
            "port 8002 is used by both",
        ),
    ],
)
def test_conflicting_servers(first: dict[str, Any], second: dict[str, Any], message: str) -> None:
    roles = [{**r, "vllm": {"port": 8001, **r.get("vllm", {})}} for r in (first, second)]
    with pytest.raises(ConfigError) as caught:
        specs(*roles)
    assert message in str(caught.value)


def test_a_context_without_room_for_a_question_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"explorer\.sampling\.max_tokens 4096 leaves no room"):
        single_spec({"max_model_len": 4096}, sampling={"max_tokens": 4096})


def test_a_config_without_a_section_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="has no vllm section"):
        server_specs(load_config({"explorer": {**ROLE, "endpoints": ["http://h/v1"]}}))


def test_servers_that_the_endpoints_do_not_name() -> None:
    endpoints = ["http://localhost:8001/v1", "http://gpu:8002/v1"]
    role = {**ROLE, "endpoints": endpoints, "vllm": {"port": 8001, "replicas": 2}}
    config = load_config({"explorer": role}).config
    assert unlisted_servers(config.explorer) == ["http://127.0.0.1:8002/v1"]


def test_shown_commands_contain_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    env = {"HF_TOKEN": "hf-secret", "TOKENIZERS_PARALLELISM": "false"}
    spec = single_spec({"env": env}, api_key_env="MY_KEY")
    shown = spec.shell() + repr(spec.argv()) + compose_file("x", [spec])
    assert "secret" not in shown
    assert 'HF_TOKEN="$HF_TOKEN" TOKENIZERS_PARALLELISM=false VLLM_API_KEY="$MY_KEY"' in shown
    assert spec.environment()["VLLM_API_KEY"] == "sk-secret"
    assert spec.environment()["HF_TOKEN"] == "hf-secret"


def test_an_unset_key_is_an_error_only_when_needed() -> None:
    spec = single_spec({}, api_key_env="NOT_SET")
    assert 'VLLM_API_KEY="$NOT_SET"' in spec.shell()
    with pytest.raises(ConfigError, match="names NOT_SET, which is not set"):
        spec.environment()


@pytest.mark.integration
def test_the_shell_line_matches_the_command(tmp_path: Path) -> None:
    python = tmp_path / "it's python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$ODD" "$@"\n')
    python.chmod(0o755)
    odd = "a 'b' \"c\" $d `e`"
    spec = single_spec({"python": str(python), "env": {"ODD": odd}, "flags": {"x": {"y z": "$"}}})
    completed = subprocess.run(
        ["sh", "-c", spec.shell()], capture_output=True, text=True, check=True
    )
    assert completed.stdout.splitlines() == [odd, *spec.argv()[1:]]
    assert shlex.split(spec.shell())[0] == "PYTHONUNBUFFERED=1"


def test_the_compose_file_has_the_same_servers() -> None:
    several = specs(
        {
            "api_key_env": "MY_KEY",
            "vllm": {
                "port": 8001,
                "replicas": 2,
                "devices": [0, 1],
                "env": {"A": "$1"},
                "restarts": 0,
                "startup": 90,
            },
        },
        {
            "model": "big",
            "vllm": {
                "port": 9001,
                "host": "::1",
                "model": "/models/big",
                "tensor_parallel_size": 2,
            },
        },
    )
    services = yaml.safe_load(compose_file("mine", several))["services"]
    assert list(services) == ["explorer-1", "explorer-2", "synthesizer"]
    first, last = services["explorer-1"], services["synthesizer"]
    assert first["image"].startswith("vllm/vllm-openai")
    assert first["command"][:6] == [
        *("--model", "Qwen/Qwen3-4B", "--port", "8001", "--host", "0.0.0.0")
    ]
    assert first["ports"] == ["127.0.0.1:8001:8001"]
    assert first["environment"] == {
        "HF_TOKEN": None,
        "A": "$$1",
        "VLLM_API_KEY": "${MY_KEY}",
    }
    [device] = first["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}
    assert first["ipc"] == "host"
    assert first["restart"] == "no"
    assert "127.0.0.1:8001/health" in first["healthcheck"]["test"][-1]
    assert first["healthcheck"]["start_period"] == "90s"
    assert "depends_on" not in first
    assert last["depends_on"] == {"explorer-2": {"condition": "service_healthy"}}
    assert last["ports"] == ["[::1]:9001:9001"]
    assert last["volumes"][1] == "/models/big:/models/big:ro"
    assert last["restart"] == "on-failure:3"
    [device] = last["deploy"]["resources"]["reservations"]["devices"]
    assert device["count"] == 2


def test_a_compose_file_needs_an_address_to_publish_on() -> None:
    with pytest.raises(ConfigError, match=r"explorer\.vllm\.host"):
        compose_file("mine", [single_spec({"host": "gpu.lan"})])
