"""The settings of a server: address, keys and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from a2r._internal.models import FrozenModel
from a2r._internal.urls import is_loopback_host
from a2r.errors import ConfigError
from a2r.interfaces.http.origins import check_origin_format

Override = Literal["samples", "gate", "config", "graph", "kind"]
OVERRIDES: tuple[Override, ...] = ("samples", "gate", "config", "graph", "kind")
ExtraFieldsPolicy = Literal["pass", "drop", "refuse"]
Count = Annotated[int, Field(ge=1)]
Origin = Annotated[str, AfterValidator(check_origin_format)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ServerSettings(FrozenModel):
    """The settings of a server; the configs that it serves are not part of them.

    Up to `concurrency` requests run at once, and up to `queue` more wait. A request body may have
    `body_bytes` and take `body_seconds` to arrive. A request may ask for up to `max_samples`
    samples and `max_choices` choices (`n`), and only for the overrides in `allowed`. Fields that
    OpenAI's API does not have are handled by `extra_fields`: `pass` passes those of vLLM on to the
    endpoints and refuses others, `drop` ignores all of them, `refuse` refuses all of them. On
    shutdown, running requests have `grace` seconds to finish. `keys` is the file of the API keys;
    without one, the server starts only on a loopback address, or with `no_auth`. Web pages of
    `cors_origins` may read the replies.

    Up to `max_connections` connections are open, of which one address has up to
    `max_client_connections`; `None` leaves them to `connection_limits`. A client has `head_seconds`
    to send the head of a request, `send_seconds` to read what it is sent, and
    `keep_alive_seconds` between two requests.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    keys: Path | None = None
    no_auth: bool = False
    concurrency: Count = 256
    queue: Annotated[int, Field(ge=0)] = 1024
    body_bytes: Count = 4 << 20
    body_seconds: Seconds = 30.0
    max_samples: Count = 64
    max_choices: Count = 8
    allowed: frozenset[Override] = frozenset(OVERRIDES)
    extra_fields: ExtraFieldsPolicy = "pass"
    grace: Seconds = 30.0
    cors_origins: tuple[Origin, ...] = ()
    max_connections: Count | None = None
    max_client_connections: Count | None = None
    head_seconds: Seconds = 10.0
    send_seconds: Seconds = 60.0
    keep_alive_seconds: Count = 5

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine is served, without keys."""
        return self.keys is None and not self.no_auth

    def check_exposure(self) -> None:
        """Refuse to serve other machines without keys, unless `no_auth` is set.

        Raises:
            ConfigError: there are no keys, and the host is not a loopback address.
        """
        if self.loopback_only and not is_loopback_host(self.host):
            raise ConfigError(
                f"host {self.host} is not a loopback address: set --keys FILE (see 'a2r keys "
                "new'), or --no-auth to serve everyone"
            )
