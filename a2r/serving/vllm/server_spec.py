"""The vLLM servers of a config: which ones, with which models, ports, GPUs and environment."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from a2r._internal.api_key_env import read_api_key, redact_variable_name
from a2r._internal.secret_redaction import redact, secret_values
from a2r.config import LoadedConfig, RoleConfig
from a2r.config.vllm import VllmConfig, resolve_path
from a2r.errors import ConfigError
from a2r.result import ROLES, Role
from a2r.serving.vllm.command_line import (
    config_arguments,
    python_command,
    redact_command,
    with_flags,
)

# `vllm serve` requires a distribution named vllm, which the CPU builds are not.
MODULE = "vllm.entrypoints.openai.api_server"
KEY_VARIABLE = "VLLM_API_KEY"
DEVICES_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """One vLLM server.

    Attributes:
        name: the name in logs and in the compose file.
        roles: the roles that use the server.
        model: the model name of the API.
        loaded_model: the model that vLLM loads, a path or a name on the hub.
        model_path: the path of the model; `None` for a name on the hub.
        url: the base URL, with `/v1`.
        arguments: further arguments of vLLM's server.
        env: additional environment variables.
        gpus: the number of GPUs.
        devices: the GPUs; `None` leaves the choice to vLLM.
        api_key_env: the variable that holds the API key; the key itself is not stored.
        startup: the maximum seconds until the server is healthy.
        restarts: the maximum number of restarts within an hour.
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
    arguments: tuple[str, ...] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    gpus: int
    devices: tuple[int | str, ...] | None
    api_key_env: str | None = field(repr=False)
    startup: float
    restarts: int

    @property
    def root(self) -> str:
        """The URL without `/v1`."""
        return self.url.removesuffix("/v1")

    @property
    def label(self) -> str:
        """The name of the server in messages."""
        return f"{' and '.join(self.roles)} ({self.model}, port {self.port})"

    def argv(self) -> list[str]:
        """The command as a list of words."""
        return [self.python, "-m", MODULE, *self.vllm_arguments(self.host)]

    def vllm_arguments(self, host: str) -> list[str]:
        """The arguments of vLLM's server if it binds `host`."""
        address = ["--model", self.loaded_model, "--port", str(self.port), "--host", host]
        return [*address, *self.arguments]

    def settings(self) -> dict[str, str]:
        """The environment variables that a2r sets for the server, except the API key."""
        # With buffering, the log of a server that crashes would lack its last lines.
        settings = {"PYTHONUNBUFFERED": "1"}
        if self.devices is not None:
            settings[DEVICES_VARIABLE] = ",".join(map(str, self.devices))
        return settings | dict(self.env)

    def environment(self) -> dict[str, str]:
        """The complete environment of the server, including the API key.

        Raises:
            ConfigError: the variable of the API key is not set.
        """
        environment = {**os.environ, **self.settings()}
        if self.api_key_env is not None:
            environment[KEY_VARIABLE] = self.key()
        return environment

    def key(self) -> str:
        """The API key; empty if the server requires none.

        Raises:
            ConfigError: the variable of the API key is not set.
        """
        return "" if self.api_key_env is None else read_api_key(self.api_key_env)

    def secrets(self) -> list[str]:
        """The secret values in `env` and `arguments`, which the server's log may contain."""
        named = [*self.env.items(), *with_flags(self.arguments)]
        return [secret for name, value in named for secret in secret_values(value, name)]

    def shell(self) -> str:
        """The command for a POSIX shell; secrets are references to variables."""
        words = [
            f'{name}="${name}"' if redact(value, name) != value else f"{name}={shlex.quote(value)}"
            for name, value in self.settings().items()
        ]
        if self.api_key_env is not None:
            words.append(f'{KEY_VARIABLE}="${redact_variable_name(self.api_key_env)}"')
        arguments = redact_command(self.argv(), lambda name: f'"${name}"', shlex.quote)
        return " ".join([*words, *arguments])


@dataclass
class _Plan:
    """The planned servers by port."""

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
                f"port {spec.port} is used by both {known.roles[0]} ({known.model}) and "
                f"{spec.roles[0]} ({spec.model}); set another vllm.port for one of them"
            )
        if difference := _difference(known, spec):
            raise ConfigError(
                f"{known.roles[0]} and {spec.roles[0]} share the server on port {spec.port}, but "
                f"their vllm sections differ ({difference}); set it to the same value in both"
            )
        self.servers[spec.port] = replace(known, roles=(*known.roles, *spec.roles))


def server_specs(loaded: LoadedConfig) -> list[ServerSpec]:
    """The servers of a config's `vllm` sections, in the order in which they start.

    A server that both roles describe is listed once.

    Raises:
        ConfigError: there is no `vllm` section, two servers use the same port, or `max_tokens` of
            a role exceeds the context of its server.
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
            f"config {loaded.name} has no vllm section, so there is no server to start; set at "
            "least explorer.vllm.port=8001 (see docs/serving.md)"
        )
    return list(plan.servers.values())


def unlisted_servers(role: RoleConfig) -> list[str]:
    """The servers of a role's `vllm` section that are not in its `endpoints`."""
    listed = {_canonical(endpoint) for endpoint in role.endpoints}
    served = role.vllm.endpoints if role.vllm else []
    return [url for url in served if _canonical(url) not in listed]


def _canonical(url: str) -> str:
    return re.sub(r"//(localhost|\[::1\])(?=[:/])", "//127.0.0.1", url)


def _check_context(name: Role, role: RoleConfig, vllm: VllmConfig) -> None:
    tokens, context = role.sampling.max_tokens, vllm.max_model_len
    if tokens is not None and context is not None and tokens >= context:
        raise ConfigError(
            f"{name}.sampling.max_tokens {tokens} leaves no room for a question in the context of "
            f"{context} tokens ({name}.vllm.max_model_len)"
        )


def _spec(name: Role, role: RoleConfig, vllm: VllmConfig, replica: int, folder: Path) -> ServerSpec:
    model = vllm.model or role.model
    path = resolve_path(model, folder)
    loaded_model = model if path is None else str(path)
    several = len(vllm.all_ports) > 1
    devices = vllm.replica_devices(replica)
    return ServerSpec(
        name=f"{name}-{replica + 1}" if several else name,
        roles=(name,),
        model=role.model,
        loaded_model=loaded_model,
        model_path=path,
        url=vllm.endpoints[replica],
        host=vllm.host,
        port=vllm.all_ports[replica],
        python=python_command(vllm, folder),
        arguments=tuple(config_arguments(role, vllm, loaded_model)),
        env={key: value for key, value in vllm.env.items() if value is not None},
        gpus=vllm.tensor_parallel_size * vllm.data_parallel_size,
        devices=None if devices is None else tuple(devices),
        api_key_env=role.api_key_env,
        startup=vllm.startup,
        restarts=vllm.restarts,
    )


def _difference(first: ServerSpec, second: ServerSpec) -> str:
    """The name of the first setting that differs between two specs; empty if none does."""
    for name in ("host", "python", "env", "devices", "startup", "restarts"):
        if getattr(first, name) != getattr(second, name):
            return name
    if first.api_key_env != second.api_key_env:
        return "api_key_env"
    for spec, other in ((first, second), (second, first)):
        for flag, word in with_flags(spec.arguments):
            if word not in other.arguments:
                return flag or word.removeprefix("--")
    return ""
