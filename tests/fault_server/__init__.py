"""A scripted server that speaks OpenAI's and vLLM's HTTP, misbehaves, and counts everything."""

from __future__ import annotations

from tests.fault_server.behaviour import Behaviour
from tests.fault_server.books import Books
from tests.fault_server.presets import PRESETS, preset, scenario_of
from tests.fault_server.records import Record
from tests.fault_server.scenario import Rule, Scenario, Script
from tests.fault_server.server import MisbehavingServer
from tests.fault_server.speech import token_count

__all__ = [
    "PRESETS",
    "Behaviour",
    "Books",
    "MisbehavingServer",
    "Record",
    "Rule",
    "Scenario",
    "Script",
    "preset",
    "scenario_of",
    "token_count",
]
