"""`a2r mcp` for MCP clients: started by them over stdio, or running as an HTTP server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import jsonschema
import yaml
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.support.fake_openai import FakeOpenAI, RequestLog, Script, boxed, config_for, replies
from tests.support.mcp_client import ERAS, Client
from tests.support.preloaded_python import python

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
SERVING = "MCP server on "


def written(folder: Path, name: str, config: dict[str, Any]) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def command(configs: Sequence[Path | str], *options: str) -> list[str]:
    chosen = [part for config in configs for part in ("--config", str(config))]
    return ["-m", "a2r", "mcp", *chosen, *options]


@asynccontextmanager
async def over_stdio(
    arguments: Sequence[str], log: Path, *, era: str = ERAS[0], **variables: str
) -> AsyncIterator[Client]:
    """Start a server and yield its client; the server's stderr goes to a file."""
    server = StdioServerParameters(command=python(), args=list(arguments), cwd=ROOT, env=variables)
    with log.open("a") as errors:
        async with Client(stdio_client(server, errlog=errors), mode=era) as client:
            yield client


@dataclass
class HttpServer:
    """An HTTP server on a free port, and the lines of its stderr."""

    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] = field(init=False)
    url: str = ""
    stderr_lines: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [python(), *self.arguments, "--transport", "http", "--port", "0"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.variables},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr_lines.append(line)
            if SERVING in line:
                self.url = line.partition(SERVING)[2].partition(";")[0]
                break
        assert self.url, self.stderr_lines
        self._reader = threading.Thread(
            target=lambda: self.stderr_lines.extend(self.process.stderr or ())
        )
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.exit_code()

    def exit_code(self) -> int:
        """Wait for the server to exit; return its exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code


@dataclass
class McpSetup:
    """A fake server behind two configs, and an MCP server that offers them over HTTP."""

    fake: FakeOpenAI
    folder: Path
    arguments: list[str]
    http: HttpServer

    def script(self, script: Script) -> RequestLog:
        """Set the script of the fake server, and return its new request log."""
        self.fake.script, self.fake.request_log = script, RequestLog()
        return self.fake.request_log

    @asynccontextmanager
    async def client(self, transport: str, era: str) -> AsyncIterator[Client]:
        if transport == "stdio":
            log = self.folder / "stderr.log"
            async with over_stdio(self.arguments, log, era=era, A2R_RUNS=self.store) as client:
                yield client
        else:
            async with Client(self.http.url, mode=era) as client:
                yield client

    @property
    def store(self) -> str:
        return str(self.folder / "runs.sqlite")


@contextmanager
def make_setup(folder: Path) -> Iterator[McpSetup]:
    with FakeOpenAI(replies(small=boxed("4"))) as fake:
        two = config_for(fake.url, explorer__waves=[2, 2])
        del two["explorer"]["samples"]
        mine = written(folder, "mine", config_for(fake.url))
        arguments = command([mine, written(folder, "two", two)], "--max-samples", "8")
        store = str(folder / "runs.sqlite")
        with HttpServer(arguments, {"A2R_RUNS": store}) as http:
            yield McpSetup(fake=fake, folder=folder, arguments=arguments, http=http)
        assert http.process.returncode == 0
        assert not [line for line in http.stderr_lines if "Traceback" in line]


def result_text(result: Any) -> str:
    """The text of a tool's result."""
    return "".join(block.text for block in result.content)


async def schemas(client: Client) -> dict[str, Any]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


async def called(client: Client, name: str, arguments: dict[str, Any], **more: Any) -> Any:
    """The structured output of a tool, validated against the advertised schema."""
    result = await client.call_tool(name, arguments, **more)
    assert not result.is_error, result_text(result)
    tool = (await schemas(client))[name]
    jsonschema.validate(arguments, tool.input_schema)
    jsonschema.validate(result.structured_content, tool.output_schema)
    assert json.loads(result_text(result)) == result.structured_content
    return result.structured_content


async def failed(client: Client, name: str, arguments: dict[str, Any]) -> list[str]:
    """The lines of a tool's error."""
    result = await client.call_tool(name, arguments)
    assert result.is_error
    assert result.structured_content is None
    return result_text(result).splitlines()


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert (str(content.uri), content.mime_type) == (uri, "application/json")
    return json.loads(content.text)
