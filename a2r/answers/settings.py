"""Settings of reading and comparing answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from a2r.answers.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How answers are read and compared.

    Attributes:
        last_number: whether a bare last number of a text may count as its answer.
        percent: `fraction` takes 50% for 1/2, `number` for 50.
        digits: `None` compares decimals exactly; a number rounds all reals to that many
            significant digits first, a grid, so that equivalence stays transitive.
        units: `strict` keeps 5 cm apart from 5; `shared` lets a number without a unit join the
            unit of a clustering in which all others have the same one.
        compare_seconds: most CPU time for one symbolic value; twice that on the clock.
        cluster_seconds: most time for a clustering; what is undecided then is different.
        start_seconds: most time for a worker process to load its libraries.
        workers: most worker processes at once.
        worker_bytes: most memory of a worker process.
        json_schema: a JSON schema as text; an answer of kind `json` that does not conform to it
            is none.

    Raises:
        SettingsError: a number is not positive, or a choice unknown.
    """

    last_number: bool = False
    percent: Literal["fraction", "number"] = "fraction"
    digits: int | None = None
    units: Literal["strict", "shared"] = "strict"
    compare_seconds: float = 0.5
    cluster_seconds: float = 2.0
    start_seconds: float = 30.0
    workers: int = 2
    worker_bytes: int = 2 << 30
    json_schema: str | None = None

    def __post_init__(self) -> None:
        seconds = (self.compare_seconds, self.cluster_seconds, self.start_seconds)
        if self.digits is not None and self.digits < 1:
            raise SettingsError(f"digits is {self.digits}: at least 1, or None for exact numbers")
        if any(value <= 0 for value in seconds) or self.workers < 1 or self.worker_bytes < 1:
            raise SettingsError("seconds, workers and worker_bytes have to be more than 0")
        if self.percent not in ("fraction", "number") or self.units not in ("strict", "shared"):
            raise SettingsError(f"unknown percent {self.percent!r} or units {self.units!r}")


DEFAULTS = Settings()
