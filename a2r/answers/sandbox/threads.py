"""Threads for work on answers, apart from asyncio's default pool.

A comparison may wait for a worker process; in the default pool, which has few threads, it would
hold up file access, DNS lookups and other questions.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

MAX_THREADS = 128
P = ParamSpec("P")
T = TypeVar("T")


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a thread for answers, with the context of the caller."""
    call = partial(contextvars.copy_context().run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_executor(), call)


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=MAX_THREADS, thread_name_prefix="a2r-answers")


# A forked child has none of its parent's threads.
os.register_at_fork(after_in_child=_executor.cache_clear)
