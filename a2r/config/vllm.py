"""What a role's `vllm` section may say: the vLLM servers that `a2r up` starts for it."""

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

from a2r._internal.models import FrozenModel
from a2r._internal.urls import bracket_host

FREE_FORM = frozenset({"env", "extra_body", "flags", "response_format", "settings"})
REACHABLE_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
MAX_REPLICAS = 1000
# The key of the config that stands for a flag of vLLM's, so that nothing is said in two places.
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
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HOST = re.compile(r"[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*")
RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")


def _one_port(value: object) -> object:
    if isinstance(value, str | list):
        raise ValueError("one port is needed; several go into ports, as in ports: 8001-8004")
    return value


def _ports(value: object) -> object:
    if not isinstance(value, str):
        return value
    ends = RANGE.fullmatch(value.strip())
    if ends is None:
        raise ValueError("neither a list of ports nor a range like 8001-8004")
    first, last = int(ends[1]), int(ends[2])
    if not first <= last < first + MAX_REPLICAS:
        raise ValueError(f"a range goes from low to high and has {MAX_REPLICAS} ports at most")
    return list(range(first, last + 1))


def _host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        if HOST.fullmatch(value):
            return value
        raise ValueError("neither a host name nor an IP address") from None


def _flags(value: dict[str, Any]) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    for written, setting in value.items():
        head, dot, rest = written.removeprefix("--").partition(".")
        name = f"{head.replace('_', '-')}{dot}{rest}"
        if not FLAG.fullmatch(name):
            raise ValueError(f"{written!r} is not the long name of a flag, like max-num-seqs")
        key = FLAG_KEYS.get(name) or FLAG_KEYS.get(name.removeprefix("no-"))
        if key:
            raise ValueError(f"{written!r} is what the role's {key} says: set that")
        if name in FORBIDDEN_FLAGS:
            raise ValueError(f"{written!r} cannot be served: a2r up has plain HTTP on a port")
        flags[name] = setting
    try:
        json.dumps(flags, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be written on a command line ({error})") from error
    return flags


def _environment(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    for name, setting in value.items():
        if not VARIABLE.fullmatch(str(name)):
            raise ValueError(f"{str(name)!r} is no name of a variable")
        if name == "VLLM_API_KEY":
            raise ValueError("a key does not belong in a config: name its variable in api_key_env")
        if not isinstance(setting, str | int | float | None) or isinstance(setting, bool):
            raise ValueError(f'the value of {name} is no text: quote it, as in {name}: "1"')
        if "\0" in str(setting):
            raise ValueError(f"the value of {name} holds a null character")
    return {name: None if each is None else str(each) for name, each in value.items()}


PositiveInt = Annotated[int, Field(strict=True, ge=1)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Device = Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(pattern=r"^[\w:./-]+$")]
Text = Annotated[str, Field(min_length=1)]


class VllmConfig(FrozenModel):
    """The vLLM servers of one role, one for each port, and how `a2r up` starts and keeps them.

    `model` is what vLLM loads where that is not the role's `model`: a folder, or a name on the
    hub. `port` is the first replica's, and the next ones get the ports that follow; `ports` is a
    list or a range like `8001-8004` instead. `devices` are the GPUs, split evenly among the
    replicas, each of which needs `tensor_parallel_size` times `data_parallel_size` of them.
    `gpu_memory_utilization` is a share of each GPU's memory, 0 to 1. `flags` holds any other flag
    of vLLM's (true is the bare flag, false its `no-` form, a list several values, a mapping
    JSON), `env` variables; null leaves one out. `python` is the interpreter that has vLLM.
    `startup` are the seconds a server may take to be healthy, and `restarts` how often within an
    hour one that dies is started again. What is null is left to vLLM.
    """

    model: Text | None = None
    port: Annotated[Port | None, BeforeValidator(_one_port)] = None
    ports: Annotated[list[Port], BeforeValidator(_ports), Field(min_length=1)] | None = None
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    replicas: Annotated[PositiveInt, Field(le=MAX_REPLICAS)] | None = None
    tensor_parallel_size: PositiveInt = 1
    data_parallel_size: PositiveInt = 1
    max_model_len: PositiveInt | None = None
    dtype: Text | None = None
    enable_prefix_caching: bool | None = None
    reasoning_parser: Text | None = None
    gpu_memory_utilization: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    stream_interval: PositiveInt | None = None
    devices: Annotated[list[Device], Field(min_length=1)] | None = None
    flags: Annotated[dict[str, Any], AfterValidator(_flags)] = Field(default_factory=dict)
    env: Annotated[dict[str, str | None], BeforeValidator(_environment)] = Field(
        default_factory=dict
    )
    python: Text | None = None
    startup: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 600.0
    restarts: Annotated[int, Field(strict=True, ge=0, le=1000)] = 3

    @field_validator("devices")
    @classmethod
    def _check_devices(cls, devices: list[int | str] | None) -> list[int | str] | None:
        if devices is not None and len(set(map(str, devices))) < len(devices):
            raise ValueError("names a device twice")
        return devices

    @model_validator(mode="after")
    def _ports_fit(self) -> VllmConfig:
        if (self.port is None) == (self.ports is None):
            raise ValueError("needs either port or ports")
        if self.ports is not None and len(set(self.ports)) < len(self.ports):
            raise ValueError("ports: names a port twice")
        if self.ports is not None and self.replicas not in (None, len(self.ports)):
            raise ValueError(f"{len(self.ports)} ports for {self.replicas} replicas: one for each")
        if self.all_ports[-1] > 65535:
            raise ValueError(f"{len(self.all_ports)} replicas from port {self.port} pass 65535")
        return self

    @model_validator(mode="after")
    def _devices_fit(self) -> VllmConfig:
        if self.devices is None:
            return self
        replicas = len(self.all_ports)
        needed = self.tensor_parallel_size * self.data_parallel_size
        count = len(self.devices)
        if count % replicas:
            raise ValueError(f"{count} devices cannot be split evenly among {replicas} replicas")
        if count // replicas < needed:
            raise ValueError(
                f"{count} devices are too few: {replicas} replicas of tensor_parallel_size "
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
        """The base URL of each replica, in order, as this machine reaches it."""
        host = REACHABLE_HOSTS.get(self.host, self.host)
        return [f"http://{bracket_host(host)}:{port}/v1" for port in self.all_ports]

    def replica_devices(self, replica: int) -> list[int | str] | None:
        """The GPUs of one replica (from 0); `None` leaves the choice to vLLM."""
        if self.devices is None:
            return None
        share = len(self.devices) // len(self.all_ports)
        return self.devices[replica * share : (replica + 1) * share]


def resolve_path(text: str, folder: Path) -> Path | None:
    """The path that a text stands for where it looks like one, else `None`.

    `/…`, `~…` and `.…` are paths, the latter from the config's folder; `owner/name` is none.
    """
    if not text.startswith(("/", "~", "./", "../")):
        return None
    return folder / Path(text).expanduser()
