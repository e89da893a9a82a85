"""The LangGraph state machine: state, prompts, and the workflow that binds nodes to a config."""

from a2r.workflow.callback_runs import Route
from a2r.workflow.draw_png import draw_png
from a2r.workflow.graph_loader import CompiledWorkflow, build_graph, graph_factory, graph_names
from a2r.workflow.prompt_rendering import explorer_messages, select_messages, synthesizer_messages
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import (
    Context,
    Input,
    Output,
    SampleTask,
    State,
    SynthesisTask,
    Task,
    Wave,
    next_round,
    next_wave,
    remaining_rounds,
    remaining_waves,
)
from a2r.workflow.workflow import BoundNode, Workflow

__all__ = [
    "BoundNode",
    "CompiledWorkflow",
    "Context",
    "Input",
    "NodeRuntime",
    "Output",
    "Route",
    "SampleTask",
    "State",
    "SynthesisTask",
    "Task",
    "Wave",
    "Workflow",
    "build_graph",
    "draw_png",
    "explorer_messages",
    "graph_factory",
    "graph_names",
    "next_round",
    "next_wave",
    "remaining_rounds",
    "remaining_waves",
    "select_messages",
    "synthesizer_messages",
]
