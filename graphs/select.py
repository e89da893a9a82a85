"""Select (GenSelect, arXiv 2507.17797): where the samples disagree, a judge chooses one of them."""

from langgraph.graph import END, START, StateGraph

from a2r.graphs._routing import after_gate, start_selection, start_wave
from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, select
from a2r.workflow import Context, Input, Output, State, Workflow, graph_factory, select_messages


def build(workflow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """One `explore` task a sample, then extract, cluster and gate; then pack and select."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    workflow.add_nodes(graph, prepare, explore, extract, cluster, gate, select, finalize)
    graph.add_node("pack", workflow.node(pack, make_messages=select_messages))

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate, ["explore", "pack", "finalize"])
    graph.add_conditional_edges("pack", start_selection, ["select"])
    graph.add_edge("select", "finalize")
    graph.add_edge("finalize", END)
    return graph


graph = graph_factory(build)
