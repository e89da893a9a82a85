"""Rounds (PaCoRe, arXiv 2601.05593): synthesize many times, then over those again, to the last."""

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, synthesize
from a2r.workflow.builder import graph_factory
from a2r.workflow.state import (
    Context,
    Input,
    Output,
    State,
    next_round,
    next_wave,
    remaining_rounds,
)
from a2r.workflow.workflow import Workflow


def build(flow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """The flow: as a2r, but each round of syntheses is packed as the references of the next."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", flow.node(prepare, rounds=True))
    graph.add_node("explore", flow.node(explore))
    graph.add_node("extract", flow.node(extract))
    graph.add_node("cluster", flow.node(cluster))
    graph.add_node("gate", flow.node(gate))
    graph.add_node("pack", flow.node(pack))
    graph.add_node("synthesize", flow.node(synthesize))
    graph.add_node("finalize", flow.node(finalize))

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate, ["explore", "pack", "finalize"])
    graph.add_conditional_edges("pack", start_round, ["synthesize"])
    graph.add_conditional_edges("synthesize", after_round, ["pack", "finalize"])
    graph.add_edge("finalize", END)
    return graph


def start_wave(state: State) -> list[Send]:
    """One task a sample of the next wave."""
    return [Send("explore", task) for task in next_wave(state)]


def start_round(state: State) -> list[Send]:
    """One task a synthesis of the next round."""
    return [Send("synthesize", task) for task in next_round(state)]


def after_round(state: State) -> str:
    """Rounds left: pack what this one wrote. The last one's vote is final."""
    return "pack" if remaining_rounds(state) else "finalize"


def after_gate(state: State) -> list[Send] | str:
    """Agreed: finalize. Undecided, waves left: sample more. Disagreed: the first round."""
    match (state["gate"] or {})["decision"]:
        case "sample_more":
            return start_wave(state)
        case "synthesize":
            return "pack"
        case _:
            return "finalize"


# What `langgraph.json` names.
graph = graph_factory(build)
