"""Rounds (PaCoRe, arXiv 2601.05593): each round synthesizes over the syntheses of the last one."""

from langgraph.graph import END, START, StateGraph

from a2r.graphs._routing import after_gate, after_round, start_round, start_wave
from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, synthesize
from a2r.workflow import Context, Input, Output, State, Workflow, graph_factory


def build(workflow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """As a2r, but the syntheses of a round are the references of the next one."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", workflow.node(prepare, rounds=True))
    workflow.add_nodes(graph, explore, extract, cluster, gate, pack, synthesize, finalize)

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


graph = graph_factory(build)
