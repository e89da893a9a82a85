"""A mapping that keeps what was used last."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

V = TypeVar("V")


@dataclass
class LRUCache(Generic[V]):
    """Values that are made when they are asked for; the `most` used last of them are kept.

    Keys may `weigh` so much that fewer are: there is `room` for all of them together, or for the
    last one alone. Safe across threads; two that ask at once may both make a value, of which the
    first is kept.
    """

    max_items: int
    max_weight: float = math.inf
    getsizeof: Callable[[Any], int] = lambda _: 0
    _values: OrderedDict[Hashable, V] = field(default_factory=OrderedDict)
    _weight: int = 0
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
            if key not in self._values:
                self._values[key] = made
                self._weight += self.getsizeof(key)
            value = self._values[key]
            while self._values and self._is_full():
                oldest, _ = self._values.popitem(last=False)
                self._weight -= self.getsizeof(oldest)
            return value

    def _is_full(self) -> bool:
        count = len(self._values)
        return count > self.max_items or (count > 1 and self._weight > self.max_weight)

    def contains(self, key: Hashable) -> bool:
        """Whether the value of a key is there."""
        with self._lock:
            return key in self._values

    def __len__(self) -> int:
        return len(self._values)
