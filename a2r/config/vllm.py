"""The `vllm` section of a role: the vLLM servers that `a2r up` starts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from a2r._internal.api_key_env import VARIABLE_NAME
from a2r._internal.secret_redaction import redact_text
from a2r._internal.urls import bracket_host
from a2r.config.field_types import Section

FREE_FORM = frozenset({"env", "extra_body", "flags", "response_format", "settings"})
REACHABLE_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
MAX_REPLICAS = 1000
# The flags of vLLM that have a config key. Only the key may set them.
FLAG_KEYS = {
    "api-key": "api_key_env",
    "data-parallel-size": "vllm.data_parallel_size",
    "dtype": "vllm.dtype",
    "enable-prefix-caching": "vllm.enable_prefix_caching",
    "gpu-memory-utilization": "vllm.gpu_memory_utilization",
    "host": "vllm.host",
    "max-model-len": "vllm.max_model_len",
    "model": "vllm.model",
    "port": "vllm.port",
    "reasoning-parser": "vllm.reasoning_parser",
    "served-model-name": "model",
    "stream-interval": "vllm.stream_interval",
    "tensor-parallel-size": "vllm.tensor_parallel_size",
}
FORBIDDEN_FLAGS = frozenset({"ssl-certfile", "ssl-keyfile", "uds"})
FLAG = re.compile(r"[a-z][a-z0-9-]*(?:\.[\w.-]+)?")
HOST = re.compile(r"(?=[0-9._-]*[A-Za-z])[A-Za-z0-9._-]+")
RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")


def _check_port(value: object) -> object:
    if isinstance(value, str | list):
        raise ValueError("expected one port; use ports for several, such as ports: 8001-8004")
    return value


def _parse_ports(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = RANGE.fullmatch(value.strip())
    if match is None:
        raise ValueError("expected a list of ports or a range like 8001-8004")
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + MAX_REPLICAS:
        raise ValueError(f"a range must ascend and have at most {MAX_REPLICAS} ports")
    return list(range(first, last + 1))


def _check_host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        if HOST.fullmatch(value):
            return value
        raise ValueError("expected a host name or an IP address") from None


def _normalize_flags(value: dict[str, Any]) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    for flag, setting in value.items():
        quoted = repr(redact_text(flag))
        head, dot, rest = flag.removeprefix("--").partition(".")
        name = f"{head.replace('_', '-')}{dot}{rest}"
        if not FLAG.fullmatch(name):
            raise ValueError(f"{quoted} is not the long name of a flag, such as max-num-seqs")
        key = FLAG_KEYS.get(name) or FLAG_KEYS.get(name.removeprefix("no-"))
        if key:
            raise ValueError(f"use {key} instead of the flag {quoted}")
        if name in FORBIDDEN_FLAGS:
            raise ValueError(
                f"the flag {quoted} is not supported: a2r up serves plain HTTP on a port"
            )
        flags[name] = setting
    try:
        json.dumps(flags, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a value cannot be passed on a command line ({error})") from error
    return flags


def _check_variables(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    for name, setting in value.items():
        if not VARIABLE_NAME.fullmatch(str(name)):
            raise ValueError(f"{redact_text(str(name))!r} is not the name of a variable")
        if name == "VLLM_API_KEY":
            raise ValueError(
                "an API key must not be in a config; set api_key_env to the name of its variable"
            )
        if not isinstance(setting, str | int | float | None) or isinstance(setting, bool):
            raise ValueError(f'the value of {name} is not a string; quote it, such as {name}: "1"')
        if "\0" in str(setting):
            raise ValueError(f"the value of {name} contains a null character")
    return {name: None if setting is None else str(setting) for name, setting in value.items()}


PositiveInt = Annotated[int, Field(strict=True, ge=1)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Device = Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(pattern=r"^[\w:./-]+$")]
NonEmptyStr = Annotated[str, Field(min_length=1)]


class VllmConfig(Section):
    """The vLLM servers of one role, one server per port.

    A null value leaves the setting to vLLM.

    Attributes:
        model: the model that vLLM loads, a folder or a name on the hub; by default the role's.
        port: the port of the first replica; the others use the following ports.
        ports: the port of each replica, as a list or a range like `8001-8004`.
        host: the address that the servers bind.
        replicas: the number of servers.
        devices: the GPUs, split evenly among the replicas. Each replica needs
            `tensor_parallel_size` times `data_parallel_size` of them.
        gpu_memory_utilization: the share of the memory of each GPU, 0 to 1.
        flags: other flags of vLLM. True is the bare flag, false its `--no-` form, a list several
            values, a mapping JSON; null omits the flag.
        env: environment variables of the servers; null omits a variable.
        python: the Python interpreter with vLLM.
        startup: the maximum seconds until a server is healthy.
        restarts: the maximum number of restarts of a server within an hour.
    """

    model: NonEmptyStr | None = None
    port: Annotated[Port | None, BeforeValidator(_check_port)] = None
    ports: Annotated[list[Port], BeforeValidator(_parse_ports), Field(min_length=1)] | None = None
    host: Annotated[str, AfterValidator(_check_host)] = "127.0.0.1"
    replicas: Annotated[PositiveInt, Field(le=MAX_REPLICAS)] | None = None
    tensor_parallel_size: PositiveInt = 1
    data_parallel_size: PositiveInt = 1
    max_model_len: PositiveInt | None = None
    dtype: NonEmptyStr | None = None
    enable_prefix_caching: bool | None = None
    reasoning_parser: NonEmptyStr | None = None
    gpu_memory_utilization: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    stream_interval: PositiveInt | None = None
    devices: Annotated[list[Device], Field(min_length=1)] | None = None
    flags: Annotated[dict[str, Any], AfterValidator(_normalize_flags)] = Field(default_factory=dict)
    env: Annotated[dict[str, str | None], BeforeValidator(_check_variables)] = Field(
        default_factory=dict
    )
    python: NonEmptyStr | None = None
    startup: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 600.0
    restarts: Annotated[int, Field(strict=True, ge=0, le=1000)] = 3

    @field_validator("devices")
    @classmethod
    def _check_devices(cls, devices: list[int | str] | None) -> list[int | str] | None:
        if devices is not None and len(set(map(str, devices))) < len(devices):
            raise ValueError("a device is listed twice")
        return devices

    @model_validator(mode="after")
    def _check_ports(self) -> VllmConfig:
        if (self.port is None) == (self.ports is None):
            raise ValueError("set either port or ports")
        if self.ports is not None and len(set(self.ports)) < len(self.ports):
            raise ValueError("ports: a port is listed twice")
        if self.ports is not None and self.replicas not in (None, len(self.ports)):
            raise ValueError(
                f"{len(self.ports)} ports for {self.replicas} replicas; set one port for each"
            )
        if self.all_ports[-1] > 65535:
            raise ValueError(
                f"{len(self.all_ports)} replicas from port {self.port} exceed port 65535"
            )
        return self

    @model_validator(mode="after")
    def _check_device_count(self) -> VllmConfig:
        if self.devices is None:
            return self
        replicas = len(self.all_ports)
        needed = self.tensor_parallel_size * self.data_parallel_size
        count = len(self.devices)
        if count % replicas:
            raise ValueError(f"{count} devices cannot be split evenly among {replicas} replicas")
        if count // replicas < needed:
            raise ValueError(
                f"{count} devices are too few: {replicas} replicas with tensor_parallel_size "
                f"{self.tensor_parallel_size} and data_parallel_size {self.data_parallel_size} "
                f"need {replicas * needed}"
            )
        return self

    @property
    def all_ports(self) -> list[int]:
        """The port of each replica, in order."""
        if self.ports is not None:
            return list(self.ports)
        first = self.port or 0
        return list(range(first, first + (self.replicas or 1)))

    @property
    def endpoints(self) -> list[str]:
        """The base URL of each replica, in order, as seen from this machine."""
        host = REACHABLE_HOSTS.get(self.host, self.host)
        return [f"http://{bracket_host(host)}:{port}/v1" for port in self.all_ports]

    def replica_devices(self, replica: int) -> list[int | str] | None:
        """The GPUs of one replica (numbered from 0); `None` leaves the choice to vLLM."""
        if self.devices is None:
            return None
        share = len(self.devices) // len(self.all_ports)
        return self.devices[replica * share : (replica + 1) * share]


def resolve_path(text: str, folder: Path) -> Path | None:
    """The path that a model name denotes, or `None` for a name on the hub.

    Names that start with `/`, `~`, `./` or `../` are paths, the latter two relative to `folder`.
    """
    if not text.startswith(("/", "~", "./", "../")):
        return None
    return folder / Path(text).expanduser()
