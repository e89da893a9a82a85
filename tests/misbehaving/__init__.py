"""A scripted server that speaks OpenAI's and vLLM's HTTP, misbehaves, and counts everything."""

from __future__ import annotations

from tests.misbehaving.behaviour import Behaviour
from tests.misbehaving.books import Books
from tests.misbehaving.presets import PRESETS, preset, scenario_of
from tests.misbehaving.records import Record
from tests.misbehaving.scenario import Rule, Scenario, Script
from tests.misbehaving.server import MisbehavingServer
from tests.misbehaving.speech import token_count

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
