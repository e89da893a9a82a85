"""The decisive line of recorded vLLM logs (0.6 to 0.32, GPU and CPU), shortened in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2r.serving.vllm.log_diagnosis import (
    MAX_LINE_CHARACTERS,
    find_error_line,
    last_log_line,
    read_tail,
    suggest_fix,
)

ENGINE_FAILED = """\
(APIServer pid=223598) Traceback (most recent call last):
(APIServer pid=223598)   File "/opt/vllm/v1/engine/utils.py", line 785, in wait_for_engine_startup
(APIServer pid=223598)     raise RuntimeError("Engine core initialization failed. "
(APIServer pid=223598)                        "See root cause above. "
(APIServer pid=223598)                        f"Failed core proc(s): {finished}")
(APIServer pid=223598) RuntimeError: Engine core initialization failed. See root cause above. \
Failed core proc(s): {}
/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There \
appear to be 2 leaked shared_memory objects to clean up at shutdown
  warnings.warn('resource_tracker: There appear to be %d '
"""
OUT_OF_MEMORY = """\
INFO 04-09 05:39:40 [gpu_model_runner.py:1276] Starting to load model Qwen/Qwen3-8B...
ERROR 04-09 05:39:54 [core.py:390] EngineCore hit an exception: Traceback (most recent call last):
ERROR 04-09 05:39:54 [core.py:390]   File "/usr/local/vllm/v1/engine/core.py", line 378, in run
ERROR 04-09 05:39:54 [core.py:390]     engine_core = EngineCoreProc(*args, **kwargs)
ERROR 04-09 05:39:54 [core.py:390]                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
ERROR 04-09 05:39:54 [core.py:390] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate \
350.00 MiB. GPU 0 has a total capacity of 23.68 GiB of which 212.81 MiB is free.
ERROR 04-09 05:39:54 [core.py:390]
CRITICAL 04-09 05:39:54 [core_client.py:361] Got fatal signal from worker processes, shutting down.
Killed
"""
FREE_MEMORY = """\
(EngineCore_DP0 pid=17374) ERROR 09-28 15:47:24 [core.py:718] EngineCore failed to start.
(EngineCore_DP0 pid=17374) ERROR 09-28 15:47:24 [core.py:718] Traceback (most recent call last):
(EngineCore_DP0 pid=17374) ERROR 09-28 15:47:24 [core.py:718]     raise ValueError(
(EngineCore_DP0 pid=17374) ERROR 09-28 15:47:24 [core.py:718] ValueError: Free memory on device \
(3.22/4.0 GiB) on startup is less than desired GPU memory utilization (0.9, 3.6 GiB). Decrease GPU \
memory utilization or reduce GPU memory used by other processes.
(EngineCore_DP0 pid=17374) Process EngineCore_DP0:
(EngineCore_DP0 pid=17374) Traceback (most recent call last):
(EngineCore_DP0 pid=17374)   File "/usr/lib/multiprocessing/process.py", line 314, in _bootstrap
(EngineCore_DP0 pid=17374) ValueError: Free memory on device (3.22/4.0 GiB) on startup is less \
than desired GPU memory utilization (0.9, 3.6 GiB). Decrease GPU memory utilization or reduce GPU \
memory used by other processes.
[rank0]:[W928 15:47:25.796578616 ProcessGroupNCCL.cpp:1553] Warning: WARNING: \
destroy_process_group() was not called before program exit
"""
CACHE_TOO_SMALL = """\
(EngineCore pid=316)   File "/opt/vllm/v1/core/kv_cache_utils.py", line 758, in _check_enough
(EngineCore pid=316)     raise ValueError(
(EngineCore pid=316) ValueError: To serve at least one request with the models's max seq len \
(262144), (36.0 GiB KV cache is needed, which is larger than the available KV cache memory (6.94 \
GiB). Based on the available memory, the estimated maximum model length is 50512. Try increasing \
`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.
"""
OLD_CACHE_TOO_SMALL = """\
ERROR 04-17 15:10:09 [engine.py:448] ValueError: The model's max seq len (8192) is larger than the \
maximum number of tokens that can be stored in KV cache (2400). Try increasing \
`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.
Process SpawnProcess-1:
Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/vllm/worker/worker.py", line 545, in raise_if
    raise ValueError(
ValueError: The model's max seq len (8192) is larger than the maximum number of tokens that can be \
stored in KV cache (2400). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` \
when initializing the engine.
RuntimeError: Engine process failed to start. See stack trace for the root cause.
"""
NO_BLOCKS = """\
ERROR 11-18 18:07:28 engine.py:366]     raise ValueError("No available memory for the cache blocks."
ERROR 11-18 18:07:28 engine.py:366] ValueError: No available memory for the cache blocks. Try \
increasing `gpu_memory_utilization` when initializing the engine.
"""
WORKERS = """\
(Worker pid=6474) ERROR 11-25 02:31:42 [multiproc_executor.py:1063] ValueError: Available memory \
on node 0 (4.97/9.84 GiB) on kv cache allocation is less than requested memory for kv (100.0 GiB).
(Worker_TP1 pid=6475) ERROR 11-25 02:31:43 [multiproc_executor.py:1063] \
torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error
(EngineCore pid=6363) ERROR 11-25 02:31:42 [core.py:1510] RuntimeError: Worker failed with error \
'Available memory on node 0 (4.97/9.84 GiB) on kv cache allocation is less than requested memory \
for kv (100.0 GiB).', please check the stack trace above for the root cause
(EngineCore pid=6363) ERROR 11-25 02:31:44 [multiproc_executor.py:315] Worker proc VllmWorker-0 \
died unexpectedly (exit code: 0), shutting down executor.
"""
NO_SUCH_MODEL = """\
huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-6)

The above exception was the direct cause of the following exception:

(APIServer pid=2960) Traceback (most recent call last):
(APIServer pid=2960)     raise OSError(
(APIServer pid=2960) OSError: Qwen/Qwen3-9B is not a local folder and is not a valid model \
identifier listed on 'https://huggingface.co/models'
(APIServer pid=2960) If this is a private repository, make sure to pass a token having permission
"""
GATED = """\
    raise OSError(
OSError: You are trying to access a gated repo.
Make sure to have access to it at https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct.
401 Client Error. (Request ID: Root=1-695139c1-20c2)

Cannot access gated repo for url https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct/resolve.
"""
OFFLINE = """\
(APIServer pid=6674) WARNING 11-25 02:32:10 [system_utils.py:255] Found ulimit of 20000 and failed \
to automatically increase. This can cause errors like `OSError: [Errno 24] Too many open files`.
huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder \
for the specified revision on the local disk and outgoing traffic has been disabled.
"""
NO_NETWORK = """\
httpx2.ConnectError: [Errno -2] Name or service not known
OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them \
in the cached files.
Check your internet connection or see how to run the library in offline mode.
"""
PARSER = """\
  File "/opt/vllm/reasoning/abs_reasoning_parsers.py", line 247, in get_reasoning_parser
    raise KeyError(
KeyError: "Reasoning parser 'nope' not found. Available parsers: deepseek_r1, qwen3"
"""
ARGUMENT = """\
usage: api_server.py [-h] [--host HOST] [--port PORT]
                     [--uvicorn-log-level {critical,debug,error,info,trace,warning}]
api_server.py: error: argument --reasoning-parser: invalid choice: 'nope' (choose from 'qwen3')
"""
PORT = """\
  File "/opt/vllm/entrypoints/launchers/launcher.py", line 348, in create_server_socket
    sock.bind(addr)
OSError: [Errno 98] Address already in use
"""
TOO_LONG = """\
    s.__pydantic_validator__.validate_python(ArgsKwargs(args, kwargs), self_instance=s)
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, User-specified max_model_len (999999) is greater than the derived max_model_len \
(max_position_embeddings=8192.0). [type=value_error, input_value=ArgsKwargs((), {}), input_type=A]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""
NO_VLLM = """\
/opt/python: Error while finding module specification for 'vllm.entrypoints.openai.api_server' \
(ModuleNotFoundError: No module named 'vllm')
"""
WHILE_SERVING = """\
(EngineCore pid=104) ERROR 05-05 12:36:58 [core.py:1129] EngineCore encountered a fatal error.
(EngineCore pid=104) ERROR 05-05 12:36:58 [core.py:1129] torch.OutOfMemoryError: CUDA out of \
memory. Tried to allocate 50.00 MiB.
(APIServer pid=1) ERROR 05-05 12:36:59 [serving.py:1173] \
vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace \
(above) for the root cause.
(APIServer pid=1) INFO:     10.0.0.1:56700 - "POST /v1/chat/completions HTTP/1.1" 500 Internal
asyncio.exceptions.CancelledError: Task cancelled
ConnectionResetError: [Errno 104] Connection reset by peer
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (OUT_OF_MEMORY + ENGINE_FAILED, "torch.OutOfMemoryError: CUDA out of memory."),
        (FREE_MEMORY + ENGINE_FAILED, "ValueError: Free memory on device (3.22/4.0 GiB)"),
        (CACHE_TOO_SMALL + ENGINE_FAILED, "ValueError: To serve at least one request"),
        (OLD_CACHE_TOO_SMALL, "ValueError: The model's max seq len (8192) is larger"),
        (NO_BLOCKS + ENGINE_FAILED, "ValueError: No available memory for the cache blocks."),
        (WORKERS + ENGINE_FAILED, "ValueError: Available memory on node 0"),
        (NO_SUCH_MODEL, "OSError: Qwen/Qwen3-9B is not a local folder"),
        (
            GATED,
            "OSError: You are trying to access a gated repo. Make sure to have access to it at "
            "https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct.",
        ),
        (OFFLINE, "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate"),
        (NO_NETWORK, "OSError: We couldn't connect to 'https://huggingface.co'"),
        (PARSER, "KeyError: \"Reasoning parser 'nope' not found."),
        (ARGUMENT, "api_server.py: error: argument --reasoning-parser: invalid choice: 'nope'"),
        (PORT, "OSError: [Errno 98] Address already in use"),
        (TOO_LONG, "ValueError: User-specified max_model_len (999999) is greater than"),
        (NO_VLLM, "/opt/python: Error while finding module specification for 'vllm."),
        (WHILE_SERVING, "torch.OutOfMemoryError: CUDA out of memory."),
        (ENGINE_FAILED, "RuntimeError: Engine core initialization failed."),
        ("INFO: fine\nSegmentation fault (core dumped)\n", "Segmentation fault (core dumped)"),
        ("  + Exception Group Traceback\n  | ValueError: inside\n", "ValueError: inside"),
        ("\x1b[31mERROR 01-01 00:00:00 [a.py:1] KeyError: 'x'\x1b[0m\n", "KeyError: 'x'"),
        ("RuntimeError: first\nRuntimeError: second\n", "RuntimeError: second"),
        ("Failed core proc: x\nWorker failed\nAssertionError\n", "AssertionError"),
    ],
)
def test_the_decisive_line(log: str, line: str) -> None:
    error_line = find_error_line(log)
    assert error_line is not None
    assert error_line.startswith(line)
    assert "\n" not in error_line


def test_a_validation_error_is_shown_without_the_text_of_pydantic() -> None:
    assert str(find_error_line(TOO_LONG)).endswith("(max_position_embeddings=8192.0).")


def test_a_wrapped_error_is_unwrapped_if_it_is_the_only_one() -> None:
    wrapped = "RuntimeError: Worker failed with error 'no kv', please check the stack trace above\n"
    assert find_error_line(wrapped + ENGINE_FAILED) == "no kv"


@pytest.mark.parametrize(
    "log", ["", "\n\n", "INFO 01-01 00:00:00 [a.py:1] all is well\n", "  x: y"]
)
def test_a_log_without_an_error_has_none(log: str) -> None:
    assert find_error_line(log) is None


def test_a_line_is_bounded() -> None:
    assert len(find_error_line("ValueError: " + "x" * 5000) or "") == MAX_LINE_CHARACTERS


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        (NO_VLLM, "pip install 'a2r-reasoning[vllm]'"),
        (GATED, "HF_TOKEN"),
        (OFFLINE, "found neither as a folder, nor in the cache"),
        (PORT, None),
    ],
)
def test_hints(log: str, advice: str | None) -> None:
    hint = suggest_fix(find_error_line(log) or "")
    assert (hint is None) == (advice is None)
    assert (advice or "") in (hint or "")


def test_the_last_line_and_the_tail_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    assert read_tail(path) == ""
    path.write_bytes(b"before\nafter\xff\n" + b"10%\r100%\n\n")
    assert read_tail(path, len(b"before\n")) == "after�\n10%\r100%\n\n"
    assert last_log_line(read_tail(path)) == "100%"
    assert last_log_line("\n \n") is None
