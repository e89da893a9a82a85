"""Write the vLLM servers of a config as a Docker Compose file."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import yaml

from a2r._internal.api_key_env import redact_variable_name
from a2r._internal.secret_redaction import redact
from a2r._internal.urls import bracket_host
from a2r.errors import ConfigError
from a2r.serving.vllm.command_line import redact_command
from a2r.serving.vllm.server_spec import KEY_VARIABLE, ServerSpec

IMAGE = "vllm/vllm-openai:latest"
HUB_CACHE = "~/.cache/huggingface:/root/.cache/huggingface"
ALL_ADDRESSES = "0.0.0.0"
HEALTH = "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/health', timeout=4)"


def compose_file(name: str, specs: Sequence[ServerSpec]) -> str:
    """The Compose file of the servers, as YAML.

    Secrets are references to environment variables. Each service starts after the previous one is
    healthy, as in `a2r up`.

    Raises:
        ConfigError: the host of a server is a name; ports of a container need an IP address.
    """
    services: dict[str, Any] = {}
    for spec in specs:
        previous = next(reversed(services), None)
        services[spec.name] = _service(spec, previous)
    header = (
        f"# vLLM servers of the A2R config {name}, written by 'a2r up {name} --emit compose'.\n"
    )
    return header + yaml.safe_dump({"services": services}, sort_keys=False, width=100)


def _service(spec: ServerSpec, previous: str | None) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": IMAGE,
        "command": redact_command(
            spec.vllm_arguments(ALL_ADDRESSES), lambda name: f"${{{name}}}", _literal
        ),
        # vllm.host is the address on the machine; inside the container the server binds all.
        "ports": [f"{_published(spec)}:{spec.port}:{spec.port}"],
        "environment": _environment(spec),
        "volumes": _volumes(spec),
        "ipc": "host",
        "deploy": {"resources": {"reservations": {"devices": [_gpus(spec)]}}},
        "healthcheck": {
            "test": ["CMD", "python3", "-c", HEALTH.format(port=spec.port)],
            "interval": "5s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{spec.startup:.0f}s",
        },
        "restart": f"on-failure:{spec.restarts}" if spec.restarts else "no",
    }
    if previous is not None:
        service["depends_on"] = {previous: {"condition": "service_healthy"}}
    return service


def _environment(spec: ServerSpec) -> dict[str, str | None]:
    # Compose passes a name without a value through from its own environment.
    environment: dict[str, str | None] = {"HF_TOKEN": None}
    for name, value in spec.env.items():
        environment[name] = f"${{{name}}}" if redact(value, name) != value else _literal(value)
    if spec.api_key_env is not None:
        environment[KEY_VARIABLE] = f"${{{redact_variable_name(spec.api_key_env)}}}"
    return environment


def _volumes(spec: ServerSpec) -> list[str]:
    if spec.model_path is None:
        return [HUB_CACHE]
    return [HUB_CACHE, f"{_literal(spec.loaded_model)}:{_literal(spec.loaded_model)}:ro"]


def _gpus(spec: ServerSpec) -> dict[str, Any]:
    gpus: dict[str, Any] = {"driver": "nvidia"}
    if spec.devices is None:
        gpus["count"] = spec.gpus
    else:
        gpus["device_ids"] = [str(device) for device in spec.devices]
    return gpus | {"capabilities": ["gpu"]}


def _published(spec: ServerSpec) -> str:
    try:
        return bracket_host(str(ip_address("127.0.0.1" if spec.host == "localhost" else spec.host)))
    except ValueError as error:
        raise ConfigError(
            f"{spec.roles[0]}.vllm.host: a Compose file requires an IP address, not {spec.host}"
        ) from error


def _literal(text: str) -> str:
    """The text with `$` escaped, so that Compose does not substitute variables."""
    return text.replace("$", "$$")
