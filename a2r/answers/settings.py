"""Settings for extracting, comparing and grading answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Literal

from a2r.answers.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings for extracting, comparing and grading answers.

    Attributes:
        last_number: whether the last number of a text may count as its answer.
        percent: `fraction` reads 50% as 1/2, `number` as 50.
        digits: `None` compares decimals exactly; a number rounds all reals to that many
            significant digits first, so that equivalence stays transitive.
        units: `strict` distinguishes 5 cm from 5; `shared` gives a number without a unit the
            unit of its clustering, if all other answers there have the same unit.
        pairs: whether `(1, 2)` is a `point` or an `interval`; with `auto`, the question and the
            other answers decide.
        code: programs are compared by their `syntax`, or by their `behaviour` in the tests that the
            question states, which executes them in a process with limits.
        compare_seconds: maximum CPU time for one symbolic value; the wall-clock limit is twice
            as long.
        cluster_seconds: maximum time for a clustering; answers that are undecided by then count
            as different.
        start_seconds: maximum time for a worker process to load its libraries.
        workers: maximum number of worker processes.
        worker_bytes: maximum memory of a worker process.
        json_schema: a JSON schema as text; an answer of kind `json` has to conform to it.

    Raises:
        SettingsError: a number is not positive, a choice is unknown, or a value has another type.
    """

    last_number: bool = False
    percent: Literal["fraction", "number"] = "fraction"
    digits: int | None = None
    units: Literal["strict", "shared"] = "strict"
    pairs: Literal["auto", "point", "interval"] = "auto"
    code: Literal["syntax", "behaviour"] = "syntax"
    compare_seconds: float = 0.5
    cluster_seconds: float = 2.0
    start_seconds: float = 30.0
    workers: int = 2
    worker_bytes: int = 2 << 30
    json_schema: str | None = None

    def __post_init__(self) -> None:
        self._check_types()
        seconds = (self.compare_seconds, self.cluster_seconds, self.start_seconds)
        if self.digits is not None and self.digits < 1:
            raise SettingsError(
                f"digits is {self.digits}: use at least 1, or None for exact numbers"
            )
        if not all(value > 0 for value in seconds) or self.workers < 1 or self.worker_bytes < 1:
            raise SettingsError("seconds, workers and worker_bytes must be greater than 0")
        if self.percent not in ("fraction", "number") or self.units not in ("strict", "shared"):
            raise SettingsError(f"unknown percent {self.percent!r} or units {self.units!r}")
        if self.pairs not in ("auto", "point", "interval"):
            raise SettingsError(f"unknown pairs {self.pairs!r}: use auto, point or interval")
        if self.code not in ("syntax", "behaviour"):
            raise SettingsError(f"unknown code {self.code!r}: use syntax or behaviour")

    def _check_types(self) -> None:
        numbers: Mapping[str, tuple[type, ...]] = {
            "compare_seconds": (int, float),
            "cluster_seconds": (int, float),
            "start_seconds": (int, float),
            "workers": (int,),
            "worker_bytes": (int,),
        }
        for name, types in numbers.items():
            value = getattr(self, name)
            if not isinstance(value, types) or isinstance(value, bool):
                raise SettingsError(f"{name} is a number, not {type(value).__name__}")
        if not isinstance(self.digits, (int, NoneType)) or isinstance(self.digits, bool):
            raise SettingsError(f"digits is a whole number, not {type(self.digits).__name__}")
        if not isinstance(self.last_number, bool):
            raise SettingsError(f"last_number is True or False, not {self.last_number!r}")
        if not isinstance(self.json_schema, (str, NoneType)):
            raise SettingsError(
                f"json_schema is a JSON schema as text, not {type(self.json_schema).__name__}"
            )


DEFAULTS = Settings()
