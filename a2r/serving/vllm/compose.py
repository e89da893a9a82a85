"""The servers of a config as a compose file, for machines that run vLLM's container image."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import yaml

from a2r._internal.redaction import is_secret
from a2r._internal.urls import bracket_host
from a2r.errors import ConfigError
from a2r.serving.vllm.server_spec import KEY_VARIABLE, ServerSpec, references

IMAGE = "vllm/vllm-openai:latest"
HUB_CACHE = "~/.cache/huggingface:/root/.cache/huggingface"
ALL_ADDRESSES = "0.0.0.0"
HEALTH = "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/health', timeout=4)"


def compose_file(name: str, specs: Sequence[ServerSpec]) -> str:
    """The compose file of servers, as YAML.

    API keys and tokens are references to variables of whoever runs it. Each service waits until
    the one before is healthy, as `a2r up` does.

    Raises:
        ConfigError: a server's host is a name, on which no container can be published.
    """
    services: dict[str, Any] = {}
    for spec in specs:
        before = next(reversed(services), None)
        services[spec.name] = _service(spec, before)
    head = f"# The vLLM servers of the A2R config {name}, by 'a2r up {name} --emit compose'.\n"
    return head + yaml.safe_dump({"services": services}, sort_keys=False, width=100)


def _service(spec: ServerSpec, before: str | None) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": IMAGE,
        "command": references(
            spec.vllm_arguments(ALL_ADDRESSES), lambda name: f"${{{name}}}", _literal
        ),
        # Bound to what vllm.host says on the machine itself; inside, the container is alone.
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
    if before is not None:
        service["depends_on"] = {before: {"condition": "service_healthy"}}
    return service


def _environment(spec: ServerSpec) -> dict[str, str | None]:
    # A name without a value takes the value of whoever runs the file, if there is one.
    environment: dict[str, str | None] = {"HF_TOKEN": None}
    for name, value in spec.env.items():
        environment[name] = f"${{{name}}}" if is_secret(name) else _literal(value)
    if spec.key_from is not None:
        environment[KEY_VARIABLE] = f"${{{spec.key_from}}}"
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
            f"{spec.roles[0]}.vllm.host: a compose file needs an IP address, not {spec.host}"
        ) from error


def _literal(text: str) -> str:
    """A text in which compose finds no variable to fill in."""
    return text.replace("$", "$$")
