"""`a2r check` against running servers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.inference.vllm.servers import Servers

pytestmark = [pytest.mark.integration, pytest.mark.vllm]


def check(servers: Servers, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "a2r", "check", str(servers.file), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_config_that_fits_its_servers_passes(servers: Servers) -> None:
    checked = check(servers)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for replica in servers.replicas:
        assert str(replica.port) in checked.stdout


def test_an_unknown_model_is_reported_with_the_served_model(servers: Servers) -> None:
    checked = check(servers, "--set", "explorer.model=SmolLM3")
    output = checked.stdout + checked.stderr
    assert checked.returncode == 3, output
    assert "SmolLM3" in output
    assert "SmolLM2-135M-Instruct" in output


def test_an_excessive_token_limit_is_reported(servers: Servers) -> None:
    checked = check(servers, "--set", "explorer.sampling.max_tokens=5000")
    assert checked.returncode != 0, checked.stdout + checked.stderr
    assert "2048" in checked.stdout + checked.stderr
