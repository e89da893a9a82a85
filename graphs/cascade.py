"""Cascade: where the small explorer disagrees, samples of the bigger model, then synthesis.

After Chen et al., FrugalGPT (arXiv 2305.05176), and Yue et al. (arXiv 2310.03094), with the
agreement of samples as the sign of an easy question.
"""

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, synthesize
from a2r.workflow.builder import graph_factory
from a2r.workflow.state import Context, Input, Output, State, next_round, next_wave
from a2r.workflow.workflow import Workflow


def build(flow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """The flow: as a2r, but `escalate` draws samples of the bigger model before it synthesizes."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", flow.node(prepare, cascade=True))
    graph.add_node("explore", flow.node(explore))
    graph.add_node("escalate", flow.node(explore))
    graph.add_node("extract", flow.node(extract))
    graph.add_node("cluster", flow.node(cluster))
    graph.add_node("gate", flow.node(gate))
    graph.add_node("pack", flow.node(pack))
    graph.add_node("synthesize", flow.node(synthesize))
    graph.add_node("finalize", flow.node(finalize))

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("escalate", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate, ["explore", "escalate", "pack", "finalize"])
    graph.add_conditional_edges("pack", start_round, ["synthesize"])
    graph.add_edge("synthesize", "finalize")
    graph.add_edge("finalize", END)
    return graph


def start_wave(state: State) -> list[Send]:
    """One task a sample of the next wave, by the role whose wave it is."""
    nodes = {"explorer": "explore", "synthesizer": "escalate"}
    return [Send(nodes[task["role"]], task) for task in next_wave(state)]


def start_round(state: State) -> list[Send]:
    """One task a synthesis."""
    return [Send("synthesize", task) for task in next_round(state)]


def after_gate(state: State) -> list[Send] | str:
    """Agreed: finalize. Undecided: the next wave. Disagreed to the last: synthesize."""
    match (state["gate"] or {})["decision"]:
        case "sample_more":
            return start_wave(state)
        case "synthesize":
            return "pack"
        case _:
            return "finalize"


# What `langgraph.json` names.
graph = graph_factory(build)
