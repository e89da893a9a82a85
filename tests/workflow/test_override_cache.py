"""Overrides of a run are parsed once: the cache of workflows by their overrides."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.config import load_config
from a2r.errors import ConfigError
from a2r.workflow import Workflow
from a2r.workflow import workflow as module
from tests.support.fake_openai import config_for


def new_workflow() -> Workflow:
    return Workflow.from_config(load_config(config_for("http://127.0.0.1:9/v1")))


@settings(max_examples=25, deadline=None)
@given(keys=st.lists(st.integers(1, 8), max_size=20))
def test_the_least_recently_used_is_evicted_and_hits_are_not_parsed(
    keys: list[int],
) -> None:
    max_cached = 3
    workflow = new_workflow()
    expected: OrderedDict[int, Workflow] = OrderedDict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_CACHED_OVERRIDES", max_cached)
        for key in keys:
            overridden = workflow.override({"explorer.samples": key})
            assert overridden.config.explorer.samples == key
            if key in expected:
                assert overridden is expected[key]
            expected[key] = overridden
            expected.move_to_end(key)
            while len(expected) > max_cached:
                expected.popitem(last=False)
            assert len(workflow._overridden) == len(expected)


def test_without_overrides_the_workflow_is_returned() -> None:
    workflow = new_workflow()
    assert workflow.override({}) is workflow
    assert workflow.override(None) is workflow


def test_an_invalid_override_is_not_cached() -> None:
    workflow = new_workflow()
    with pytest.raises(ConfigError):
        workflow.override({"explorer.samples": "many"})
    assert len(workflow._overridden) == 0


def test_large_overrides_take_more_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED_OVERRIDES", 256)
    workflow = new_workflow()
    room = module.MAX_CACHED_CHARACTERS

    def overridden(letter: str, length: int) -> Workflow:
        return workflow.override({"prompts.system": letter * length})

    first = overridden("a", room * 2 // 5)
    second = overridden("b", room * 2 // 5)
    assert overridden("a", room * 2 // 5) is first
    overridden("c", room * 2 // 5)
    assert overridden("a", room * 2 // 5) is first
    assert overridden("b", room * 2 // 5) is not second


def test_overrides_beyond_the_cache_size_work_uncached() -> None:
    workflow = new_workflow()
    text = "a" * (module.MAX_CACHED_CHARACTERS + 1)
    assert workflow.override({"prompts.system": text}).config.prompts.system == text
    assert len(workflow._overridden) == 0


def test_threads_share_one_workflow_for_the_same_overrides() -> None:
    workflow = new_workflow()
    barrier = threading.Barrier(4)
    results: list[Any] = []

    def override() -> None:
        barrier.wait()
        results.append(workflow.override({"explorer.samples": 2}))

    threads = [threading.Thread(target=override) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result is results[0] for result in results)
