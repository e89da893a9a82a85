"""Self-consistency (Wang et al., arXiv 2203.11171): sample in waves and vote, no synthesis."""

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from a2r.nodes import cluster, explore, extract, finalize, gate, prepare
from a2r.workflow.builder import graph_factory
from a2r.workflow.state import Context, Input, Output, State, next_wave
from a2r.workflow.workflow import Workflow


def build(flow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """The flow: one `explore` task a sample, then extract, cluster, gate, and the vote."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", flow.node(prepare, synthesis=False))
    graph.add_node("explore", flow.node(explore))
    graph.add_node("extract", flow.node(extract))
    graph.add_node("cluster", flow.node(cluster))
    graph.add_node("gate", flow.node(gate))
    graph.add_node("finalize", flow.node(finalize))

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate, ["explore", "finalize"])
    graph.add_edge("finalize", END)
    return graph


def start_wave(state: State) -> list[Send]:
    """One task a sample of the next wave."""
    return [Send("explore", task) for task in next_wave(state)]


def after_gate(state: State) -> list[Send] | str:
    """Undecided and waves left: sample more. Everything else is put to the vote."""
    if (state["gate"] or {})["decision"] == "sample_more":
        return start_wave(state)
    return "finalize"


# What `langgraph.json` names.
graph = graph_factory(build)
