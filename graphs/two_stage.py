"""The graph called a2r: explore in waves, gate, and synthesize only where the samples disagree."""

from langgraph.graph import END, START, StateGraph

from a2r.graphs._routing import after_gate, start_round, start_wave
from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, synthesize
from a2r.workflow import Context, Input, Output, State, Workflow, graph_factory


def build(workflow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """One `explore` task a sample, then extract, cluster and gate; then pack and synthesize."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    workflow.add_nodes(graph, prepare, explore, extract, cluster, gate, pack, synthesize, finalize)

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate, ["explore", "pack", "finalize"])
    graph.add_conditional_edges("pack", start_round, ["synthesize"])
    graph.add_edge("synthesize", "finalize")
    graph.add_edge("finalize", END)
    return graph


graph = graph_factory(build)
