"""The servers that a config describes, each with the exact command that starts it."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2r._internal.environment import read_api_key
from a2r._internal.redaction import is_secret, redact
from a2r.config import LoadedConfig, RoleConfig
from a2r.config.vllm import VllmConfig, resolve_path
from a2r.errors import ConfigError
from a2r.result import ROLES, Role

# `vllm serve` looks for a distribution called vllm, which its builds for CPUs are not.
MODULE = "vllm.entrypoints.openai.api_server"
KEY_VARIABLE = "VLLM_API_KEY"
DEVICES_VARIABLE = "CUDA_VISIBLE_DEVICES"
PLAIN_FLAGS = (
    "max_model_len",
    "dtype",
    "enable_prefix_caching",
    "reasoning_parser",
    "gpu_memory_utilization",
    "stream_interval",
)


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """One server: what it serves for which roles, and how it is started.

    `model` is what endpoints call it, `loads` what vLLM loads. `key_from` names the variable of
    a2r's own environment that holds the API key; the key itself is in no field.
    """

    name: str
    roles: tuple[Role, ...]
    model: str
    loaded_model: str
    model_path: Path | None
    url: str
    host: str
    port: int
    python: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    gpus: int
    devices: tuple[int | str, ...] | None
    key_from: str | None
    startup: float
    restarts: int

    @property
    def root(self) -> str:
        """The server's address without the API's `/v1`."""
        return self.url.removesuffix("/v1")

    @property
    def label(self) -> str:
        """The server as messages call it."""
        return f"{' and '.join(self.roles)} ({self.model}, port {self.port})"

    def argv(self) -> list[str]:
        """The command and its arguments."""
        return [self.python, "-m", MODULE, *self.vllm_arguments(self.host)]

    def vllm_arguments(self, host: str) -> list[str]:
        """What vLLM's server gets, bound to `host`."""
        place = ["--model", self.loaded_model, "--port", str(self.port), "--host", host]
        return [*place, *self.arguments]

    def settings(self) -> dict[str, str]:
        """The variables that the server gets beside a2r's own environment, but for the key."""
        # Through a buffer, the last words of a server that dies would be lost to its log.
        settings = {"PYTHONUNBUFFERED": "1"}
        if self.devices is not None:
            settings[DEVICES_VARIABLE] = ",".join(map(str, self.devices))
        return settings | dict(self.env)

    def environment(self) -> dict[str, str]:
        """The server's whole environment, the API key included.

        Raises:
            ConfigError: the variable that should hold the key is not set.
        """
        environment = {**os.environ, **self.settings()}
        if self.key_from is not None:
            environment[KEY_VARIABLE] = self.key()
        return environment

    def key(self) -> str:
        """The API key; empty where the server asks for none.

        Raises:
            ConfigError: the variable that should hold it is not set.
        """
        return "" if self.key_from is None else read_api_key(self.key_from)

    def shell(self) -> str:
        """The command for a POSIX shell; secrets are references to variables."""
        words = [
            f'{name}="${name}"' if is_secret(name) else f"{name}={shlex.quote(value)}"
            for name, value in self.settings().items()
        ]
        if self.key_from is not None:
            words.append(f'{KEY_VARIABLE}="${self.key_from}"')
        arguments = references(self.argv(), lambda name: f'"${name}"', shlex.quote)
        return " ".join([*words, *arguments])


def references(
    words: Sequence[str], variable: Callable[[str], str], quote: Callable[[str], str]
) -> list[str]:
    """The words of a command as they may be shown, secrets replaced by references to variables.

    The value of `--hf-token` is shown as the variable `HF_TOKEN`; inside JSON, secrets are hidden.

    Args:
        words: the command, word by word.
        variable: makes a reference of a variable's name.
        quote: quotes every other word.
    """
    shown, flag = [], ""
    for word in words:
        if word.startswith("--"):
            flag = word.removeprefix("--")
            shown.append(quote(word))
        elif is_secret(flag):
            shown.append(variable(re.sub(r"\W", "_", flag).upper()))
        else:
            shown.append(quote(_without_secrets(word)))
    return shown


def _without_secrets(word: str) -> str:
    if not word.startswith(("{", "[")):
        return word
    try:
        value = json.loads(word)
    except ValueError:
        return word
    redacted = redact(value)
    return word if redacted == value else json.dumps(redacted)


@dataclass
class _Plan:
    """The servers so far, by port."""

    servers: dict[int, ServerSpec] = field(default_factory=dict)

    def add(self, spec: ServerSpec) -> None:
        known = self.servers.get(spec.port)
        if known is None:
            self.servers[spec.port] = spec
            return
        if (known.model, known.loaded_model) != (spec.model, spec.loaded_model) or spec.roles[
            0
        ] in known.roles:
            raise ConfigError(
                f"port {spec.port} is both {known.roles[0]}'s ({known.model}) and "
                f"{spec.roles[0]}'s ({spec.model}): give one of them another vllm.port"
            )
        if difference := _difference(known, spec):
            raise ConfigError(
                f"{known.roles[0]} and {spec.roles[0]} share the server on port {spec.port}, but "
                f"their vllm sections differ ({difference}): let one say what the other does"
            )
        joint = {**vars(known), "roles": (*known.roles, *spec.roles)}
        self.servers[spec.port] = ServerSpec(**joint)


def server_specs(loaded: LoadedConfig) -> list[ServerSpec]:
    """The servers that a config's `vllm` sections describe, in the order they are started in.

    A server that both roles describe is there once.

    Raises:
        ConfigError: there is no `vllm` section, two servers want one port, or a role asks for
            more tokens than its server's context holds.
    """
    plan = _Plan()
    for name in ROLES:
        role = loaded.config.role(name)
        if role is None or role.vllm is None:
            continue
        _check_context(name, role, role.vllm)
        for replica in range(len(role.vllm.all_ports)):
            plan.add(_spec(name, role, role.vllm, replica, loaded.folder))
    if not plan.servers:
        raise ConfigError(
            f"config {loaded.name} has no vllm section, which says what servers to start; the "
            "least is explorer.vllm.port=8001 (see docs/serving.md)"
        )
    return list(plan.servers.values())


def unlisted_servers(role: RoleConfig) -> list[str]:
    """The servers of a role's `vllm` section that its `endpoints` do not name."""
    named = {_canonical(endpoint) for endpoint in role.endpoints}
    served = role.vllm.endpoints if role.vllm else []
    return [url for url in served if _canonical(url) not in named]


def _canonical(url: str) -> str:
    return re.sub(r"//(localhost|\[::1\])(?=[:/])", "//127.0.0.1", url)


def _check_context(name: Role, role: RoleConfig, vllm: VllmConfig) -> None:
    tokens, context = role.sampling.max_tokens, vllm.max_model_len
    if tokens is not None and context is not None and tokens >= context:
        raise ConfigError(
            f"{name}.sampling.max_tokens {tokens} leaves no room for a question in a context of "
            f"{context} tokens ({name}.vllm.max_model_len)"
        )


def _spec(name: Role, role: RoleConfig, vllm: VllmConfig, replica: int, folder: Path) -> ServerSpec:
    wanted = vllm.model or role.model
    path = resolve_path(wanted, folder)
    loads = wanted if path is None else str(path)
    several = len(vllm.all_ports) > 1
    devices = vllm.replica_devices(replica)
    return ServerSpec(
        name=f"{name}-{replica + 1}" if several else name,
        roles=(name,),
        model=role.model,
        loaded_model=loads,
        model_path=path,
        url=vllm.endpoints[replica],
        host=vllm.host,
        port=vllm.all_ports[replica],
        python=_python(vllm, folder),
        arguments=tuple(_arguments(role, vllm, loads)),
        env={key: value for key, value in vllm.env.items() if value is not None},
        gpus=vllm.tensor_parallel_size * vllm.data_parallel_size,
        devices=None if devices is None else tuple(devices),
        key_from=role.api_key_env,
        startup=vllm.startup,
        restarts=vllm.restarts,
    )


def _python(vllm: VllmConfig, folder: Path) -> str:
    if vllm.python is None:
        return sys.executable
    written = Path(vllm.python).expanduser()
    return str(folder / written) if len(written.parts) > 1 else vllm.python


def _arguments(role: RoleConfig, vllm: VllmConfig, loads: str) -> list[str]:
    arguments = []
    if loads != role.model:
        arguments += ["--served-model-name", role.model]
    for size in ("tensor_parallel_size", "data_parallel_size"):
        if getattr(vllm, size) > 1:
            arguments += _flag(size, getattr(vllm, size))
    for flag in PLAIN_FLAGS:
        arguments += _flag(flag, getattr(vllm, flag))
    for flag, value in vllm.flags.items():
        arguments += _flag(flag, value)
    return arguments


def _flag(name: str, value: Any) -> list[str]:
    head, dot, rest = name.partition(".")
    flag = f"{head.replace('_', '-')}{dot}{rest}"
    match value:
        case None:
            return []
        case True:
            return [f"--{flag}"]
        case False:
            return [f"--no-{flag}"]
        case list():
            return [f"--{flag}", *map(_word, value)]
        case _:
            return [f"--{flag}", _word(value)]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _difference(first: ServerSpec, second: ServerSpec) -> str:
    """The name of the first thing in which two descriptions of one server differ, or nothing."""
    for name in ("host", "python", "env", "devices", "startup", "restarts"):
        if getattr(first, name) != getattr(second, name):
            return name
    if first.key_from != second.key_from:
        return "api_key_env"
    for one in (first, second):
        other = second if one is first else first
        for word in one.arguments:
            if word not in other.arguments:
                return word.removeprefix("--")
    return ""
