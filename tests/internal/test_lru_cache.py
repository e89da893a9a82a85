"""What is kept: never more than `most`, and what was used last."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r._internal.lru_cache import LRUCache


@given(most=st.integers(0, 5), keys=st.lists(st.integers(0, 8), max_size=60))
def test_it_holds_the_most_used_last_and_makes_nothing_that_it_holds(
    most: int, keys: list[int]
) -> None:
    kept: LRUCache[str] = LRUCache(max_items=most)
    expected: OrderedDict[int, None] = OrderedDict()
    made: list[int] = []

    for key in keys:
        before = len(made)

        def make(key: int = key) -> str:
            made.append(key)
            return f"value {key}"

        assert kept.get(key, make) == f"value {key}"
        assert (len(made) > before) == (key not in expected)
        expected[key] = None
        expected.move_to_end(key)
        while len(expected) > most:
            expected.popitem(last=False)
        assert len(kept) == len(expected) <= most


def test_a_value_that_cannot_be_made_leaves_nothing_behind() -> None:
    kept: LRUCache[int] = LRUCache(max_items=2)
    kept.get("a", lambda: 1)
    with pytest.raises(ZeroDivisionError):
        kept.get("b", lambda: 1 // 0)
    assert len(kept) == 1
    assert kept.get("b", lambda: 2) == 2


def test_making_a_value_may_ask_for_another() -> None:
    kept: LRUCache[int] = LRUCache(max_items=1)
    assert kept.get("outer", lambda: kept.get("inner", lambda: 1) + 1) == 2
    assert len(kept) == 1


def test_none_is_a_value_like_any_other() -> None:
    kept: LRUCache[None] = LRUCache(max_items=1)
    kept.get("a", lambda: None)
    assert kept.get("a", lambda: pytest.fail("it was made twice")) is None


def test_threads_may_ask_at_once() -> None:
    kept: LRUCache[int] = LRUCache(max_items=2)
    begin = threading.Barrier(4)
    wrong: list[object] = []

    def ask(step: int) -> None:
        begin.wait()
        for turn in range(20_000):
            key = turn * step % 5
            try:
                found = kept.get(key, lambda key=key: key)  # type: ignore[misc]
            except KeyError as error:
                wrong.append(error)
                return
            if found != key:
                wrong.append((key, found))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(step,)) for step in (1, 2, 3, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
    assert len(kept) <= 2


def test_heavy_keys_leave_room_for_fewer() -> None:
    kept: LRUCache[str] = LRUCache(max_items=8, max_weight=10, getsizeof=len)
    for key in ("a" * 4, "b" * 4, "c" * 4):
        kept.get(key, lambda: "value")
    assert [kept.contains(letter * 4) for letter in "abc"] == [False, True, True]
    kept.get("d" * 20, lambda: "value")
    assert len(kept) == 1
    assert kept.contains("d" * 20)
    kept.get("e", lambda: "value")
    assert len(kept) == 1
    assert kept.contains("e")
