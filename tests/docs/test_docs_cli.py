"""docs/cli.md is the generated command line reference, and names every command and option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from a2r.cli.app import app
from tests.support.cli_reference import reference

BUILT_IN = {"--help", "-h", "--install-completion", "--show-completion"}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_page_is_the_generated_reference() -> None:
    regenerate = "python -m tests.support.cli_reference > docs/cli.md"
    assert PAGE.read_text() == reference(), f"docs/cli.md is outdated: {regenerate}"


def test_every_command_and_option_is_in_the_reference() -> None:
    sections = {
        section.partition("\n")[0].lstrip("# "): section for section in reference().split("\n#")
    }

    def check(command: Any, name: str) -> None:
        for parameter in command.params:
            options = parameter.opts if parameter.param_type_name == "option" else []
            for option in set(options) - BUILT_IN:
                assert option in sections[name], (name, option)
        for child, subcommand in getattr(command, "commands", {}).items():
            check(subcommand, f"{name} {child}")

    check(typer.main.get_command(app), "a2r")
    assert len(sections) > 15
