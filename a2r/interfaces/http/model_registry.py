"""The models that a server offers: its configs, and each of them with another graph."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from a2r._internal.logging import get_logger
from a2r.config import LoadedConfig, config_names, default_config_name, load_config
from a2r.config.loader import Source
from a2r.errors import ConfigError
from a2r.interfaces.openai_server.api_errors import unknown_model
from a2r.solver import A2R
from a2r.workflow.builder import graph_names
from a2r.workflow.workflow import Workflow

SEPARATOR = "/"


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model as clients name it: a config, or `config/graph`."""

    id: str
    config: str
    loaded: LoadedConfig


@dataclass
class ModelRegistry:
    """What is served. Flows are made when they are first asked for, one a config.

    `primary` are the configs that the server was started for: these have to be ready.
    """

    models: Mapping[str, ServedModel]
    primary: Sequence[str]
    _workflows: dict[str, Workflow] = field(default_factory=dict)
    _solvers: dict[str, A2R] = field(default_factory=dict)

    @classmethod
    def from_configs(cls, sources: Sequence[Source]) -> ModelRegistry:
        """The offer of some configs; of none, that of all installed ones.

        Raises:
            ConfigError: a config cannot be used, or two have the same name.
        """
        primary = [load_config(source) for source in sources or [default_config_name()]]
        more = [] if sources else list(_check_names(config_names()))
        configs: dict[str, LoadedConfig] = {}
        for loaded in primary:
            if loaded.name in configs:
                raise ConfigError(f"two configs are called {loaded.name!r}: rename one")
            configs[loaded.name] = loaded
        for loaded in more:
            configs.setdefault(loaded.name, loaded)
        models = [model for loaded in configs.values() for model in _models(loaded)]
        return cls(
            models={model.id: model for model in models},
            primary=[loaded.name for loaded in primary],
        )

    def get(self, config: str, graph: str | None = None) -> ServedModel:
        """The model of a name, or of a config and a graph.

        Raises:
            ApiError: there is none.
        """
        name = config if graph is None else f"{config.split(SEPARATOR)[0]}{SEPARATOR}{graph}"
        model = self.models.get(name)
        if model is None:
            raise unknown_model(name)
        return model

    def solver(self, model: ServedModel) -> A2R:
        """What answers for a model; models of one config share endpoints, limits and books.

        Raises:
            ConfigError: its graph or gate cannot be built.
        """
        if model.id not in self._solvers:
            base = self.workflow(model.config)
            graph = model.loaded.config.graph
            own = {} if graph == base.loaded.config.graph else {"graph": graph}
            self._solvers[model.id] = A2R(base, overrides=own)
        return self._solvers[model.id]

    def workflow(self, config: str) -> Workflow:
        """The flow of a config.

        Raises:
            ConfigError: its gate cannot be built.
        """
        if config not in self._workflows:
            self._workflows[config] = Workflow.from_config(self.models[config].loaded)
        return self._workflows[config]

    def workflows(self) -> Mapping[str, Workflow]:
        """The flows that were asked for so far, by config."""
        return dict(self._workflows)

    async def warm_up(self) -> None:
        """Build what the server was started for; fetch and start its embedded models.

        Raises:
            A2RError: it cannot be used.
        """
        for config in self.primary:
            await self.solver(self.models[config]).warm_up()

    async def close(self) -> None:
        """End the embedded engine's servers and close all connections."""
        await asyncio.gather(*(A2R(flow).aclose() for flow in self._workflows.values()))


def _check_names(names: Sequence[str]) -> Iterator[LoadedConfig]:
    """The configs that can be used: an environment made for one of them may not fit another."""
    for name in names:
        try:
            yield load_config(name)
        except ConfigError as error:
            get_logger().warning("config left out", config=name, error=str(error))


def _models(loaded: LoadedConfig) -> Iterator[ServedModel]:
    yield ServedModel(id=loaded.name, config=loaded.name, loaded=loaded)
    for graph in graph_names():
        try:
            other = loaded.override({"graph": graph})
        except ConfigError:
            # A gate that can never accept in this graph, such as a cascade without a synthesizer.
            continue
        name = f"{loaded.name}{SEPARATOR}{graph}"
        yield ServedModel(id=name, config=loaded.name, loaded=other)
