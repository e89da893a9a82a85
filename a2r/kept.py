"""A mapping that keeps what was used last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass
class Kept(Generic[V]):
    """Values that are made when they are asked for; the `most` used last of them are kept.

    Safe across threads; two that ask at once may both make a value, of which the first is kept.
    """

    most: int
    _values: OrderedDict[Hashable, V] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        # Without the lock: to make one may take long, and others are there already.
        made = make()
        with self._lock:
            value = self._values.setdefault(key, made)
            while len(self._values) > self.most:
                self._values.popitem(last=False)
            return value

    def holds(self, key: Hashable) -> bool:
        """Whether the value of a key is there."""
        with self._lock:
            return key in self._values

    def __len__(self) -> int:
        return len(self._values)
