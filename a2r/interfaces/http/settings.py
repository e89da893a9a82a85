"""What the operator of a server decides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from a2r._internal.models import FrozenModel
from a2r._internal.urls import is_loopback_host
from a2r.errors import ConfigError

Override = Literal["samples", "gate", "config", "graph", "kind"]
OVERRIDES: tuple[Override, ...] = ("samples", "gate", "config", "graph", "kind")
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ServerSettings(FrozenModel):
    """Limits and keys of a server; the configs that it serves are no part of it.

    `concurrency` requests run at once, `queue` more wait for a place; bodies may have `body_bytes`
    and take `body_seconds` to arrive. A request may ask for `samples` and `choices` (`n`) at most,
    and for those overrides alone that are in `allowed`. At its end the server gives what runs
    `grace` seconds to finish. `keys` is the file of the API keys; without one, and not on
    loopback, the server only starts if it is `open` by intention.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    keys: Path | None = None
    no_auth: bool = False
    concurrency: Count = 256
    queue: Annotated[int, Field(ge=0)] = 1024
    body_bytes: Count = 4 << 20
    body_seconds: Seconds = 30.0
    samples: Count = 64
    choices: Count = 8
    allowed: frozenset[Override] = frozenset(OVERRIDES)
    grace: Seconds = 30.0

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone is served: whoever is on it needs no key."""
        return self.keys is None and not self.no_auth

    def check_exposure(self) -> None:
        """Refuse to serve others than this machine without keys, unless that is intended.

        Raises:
            ConfigError: there are no keys, and the host is not loopback.
        """
        if self.is_loopback and not is_loopback_host(self.host):
            raise ConfigError(
                f"host {self.host} can be reached by others: give --keys FILE (see 'a2r keys "
                "new'), or --no-auth if everybody may use it"
            )
