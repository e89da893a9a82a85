"""A mapping that keeps what was used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass
class Kept(Generic[V]):
    """Values that are made when they are asked for; the `most` used last of them are kept."""

    most: int
    _values: OrderedDict[Hashable, V] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key."""
        if key not in self._values:
            value = make()
            self._values[key] = value
            while len(self._values) > self.most:
                self._values.popitem(last=False)
            return value
        self._values.move_to_end(key)
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)
