"""A scripted server with OpenAI's and vLLM's HTTP API that injects faults and logs requests."""

from __future__ import annotations

from tests.fault_server.behavior import Behavior
from tests.fault_server.presets import PRESETS, load_scenario, preset_scenario
from tests.fault_server.request_log import RequestLog
from tests.fault_server.request_record import Record
from tests.fault_server.scenario import Rule, Scenario, Script
from tests.fault_server.server import FaultServer
from tests.fault_server.tokenization import token_count

__all__ = [
    "PRESETS",
    "Behavior",
    "FaultServer",
    "Record",
    "RequestLog",
    "Rule",
    "Scenario",
    "Script",
    "load_scenario",
    "preset_scenario",
    "token_count",
]
