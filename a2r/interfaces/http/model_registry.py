"""The models that a server offers: its configs, and each config with every other graph."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from a2r._internal.logging import get_logger
from a2r.config import LoadedConfig, config_names, default_config_name, load_config
from a2r.config.loader import ConfigSource
from a2r.errors import A2RError, ConfigError
from a2r.solver import A2R
from a2r.workflow.graph_loader import graph_names
from a2r.workflow.workflow import Workflow

SEPARATOR = "/"


class UnknownModelError(A2RError):
    """A model that the server does not offer; `model` is its name."""

    exit_code = 2

    def __init__(self, model: str) -> None:
        super().__init__(f"unknown model {model!r}")
        self.model = model

    def __reduce__(self) -> tuple[type[UnknownModelError], tuple[str]]:
        """Pickle with the name."""
        return type(self), (self.model,)


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model by the name that clients use: a config, or `config/graph`."""

    id: str
    config: str
    loaded: LoadedConfig


@dataclass
class ModelRegistry:
    """The served models. There is one workflow per config, created at its first use.

    `primary` are the configs that the server was started with; only these are warmed up and
    checked for readiness.
    """

    models: Mapping[str, ServedModel]
    primary: Sequence[str]
    _workflows: dict[str, Workflow] = field(default_factory=dict)
    _solvers: dict[str, A2R] = field(default_factory=dict)

    @classmethod
    def from_configs(cls, sources: Sequence[ConfigSource]) -> ModelRegistry:
        """The registry of some configs; without any, that of all installed ones.

        Raises:
            ConfigError: a config is invalid, or two have the same name.
        """
        primary = [load_config(source) for source in sources or [default_config_name()]]
        others = [] if sources else list(_load_valid(config_names()))
        configs: dict[str, LoadedConfig] = {}
        for loaded in primary:
            if loaded.name in configs:
                raise ConfigError(f"two configs have the name {loaded.name!r}: rename one")
            configs[loaded.name] = loaded
        for loaded in others:
            configs.setdefault(loaded.name, loaded)
        models = [model for loaded in configs.values() for model in _models(loaded)]
        return cls(
            models={model.id: model for model in models},
            primary=[loaded.name for loaded in primary],
        )

    def get(self, name: str, graph: str | None = None) -> ServedModel:
        """The model of a name.

        Args:
            name: a model's name.
            graph: replaces the graph that the name says or implies.

        Raises:
            UnknownModelError: there is no such model.
        """
        model_id = name if graph is None else f"{name.split(SEPARATOR)[0]}{SEPARATOR}{graph}"
        model = self.models.get(model_id)
        if model is None:
            raise UnknownModelError(model_id)
        return model

    def solver(self, model: ServedModel) -> A2R:
        """The solver of a model. Models of one config share endpoints, limits and accounting.

        Raises:
            ConfigError: its graph or gate cannot be built.
        """
        if model.id not in self._solvers:
            base = self.workflow(model.config)
            graph = model.loaded.config.graph
            overrides = {} if graph == base.loaded.config.graph else {"graph": graph}
            self._solvers[model.id] = A2R(base, overrides=overrides)
        return self._solvers[model.id]

    def workflow(self, config: str) -> Workflow:
        """The workflow of a config.

        Raises:
            ConfigError: its gate cannot be built.
        """
        if config not in self._workflows:
            self._workflows[config] = Workflow.from_config(self.models[config].loaded)
        return self._workflows[config]

    def workflows(self) -> Mapping[str, Workflow]:
        """The workflows that have been created so far, by config."""
        return dict(self._workflows)

    async def warm_up(self) -> None:
        """Build the primary configs; fetch and start their embedded models.

        Raises:
            A2RError: one of them cannot be used.
        """
        for config in self.primary:
            await self.solver(self.models[config]).warm_up()

    async def close(self) -> None:
        """Stop the embedded engine's servers and close all connections."""
        await asyncio.gather(*(A2R(workflow).aclose() for workflow in self._workflows.values()))


def _load_valid(names: Sequence[str]) -> Iterator[LoadedConfig]:
    """The configs that are valid: the environment may suit one of them and break another."""
    for name in names:
        try:
            yield load_config(name)
        except ConfigError as error:
            get_logger().warning("config skipped", config=name, error=str(error))


def _models(loaded: LoadedConfig) -> Iterator[ServedModel]:
    yield ServedModel(id=loaded.name, config=loaded.name, loaded=loaded)
    for graph in graph_names():
        try:
            with_graph = loaded.override({"graph": graph})
        except ConfigError:
            # The config does not suit this graph, such as a cascade without a synthesizer.
            continue
        name = f"{loaded.name}{SEPARATOR}{graph}"
        yield ServedModel(id=name, config=loaded.name, loaded=with_graph)
