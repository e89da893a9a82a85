"""Select (GenSelect, arXiv 2507.17797): where the samples disagree, a judge chooses one of them."""

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, select
from a2r.workflow.builder import graph_factory
from a2r.workflow.prompts import select_messages
from a2r.workflow.state import Context, Input, Output, State, next_round, next_wave
from a2r.workflow.workflow import Workflow


def build(flow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """The flow: one `explore` task a sample, then extract, cluster, gate; then pack, select."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", flow.node(prepare))
    graph.add_node("explore", flow.node(explore))
    graph.add_node("extract", flow.node(extract))
    graph.add_node("cluster", flow.node(cluster))
    graph.add_node("gate", flow.node(gate))
    graph.add_node("pack", flow.node(pack, make=select_messages))
    graph.add_node("select", flow.node(select))
    graph.add_node("finalize", flow.node(finalize))

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate, ["explore", "pack", "finalize"])
    graph.add_conditional_edges("pack", start_round, ["select"])
    graph.add_edge("select", "finalize")
    graph.add_edge("finalize", END)
    return graph


def start_wave(state: State) -> list[Send]:
    """One task a sample of the next wave."""
    return [Send("explore", task) for task in next_wave(state)]


def start_round(state: State) -> list[Send]:
    """One task a judgment."""
    return [Send("select", task) for task in next_round(state)]


def after_gate(state: State) -> list[Send] | str:
    """Agreed: finalize. Undecided, waves left: sample more. Disagreed: select."""
    match (state["gate"] or {})["decision"]:
        case "sample_more":
            return start_wave(state)
        case "synthesize":
            return "pack"
        case _:
            return "finalize"


# What `langgraph.json` names.
graph = graph_factory(build)
