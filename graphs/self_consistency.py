"""Self-consistency (Wang et al., arXiv 2203.11171): sample in waves and vote, no synthesis."""

from langgraph.graph import END, START, StateGraph

from a2r.graphs._routing import after_gate_or_vote, start_wave
from a2r.nodes import cluster, explore, extract, finalize, gate, prepare
from a2r.workflow import Context, Input, Output, State, Workflow, graph_factory


def build(workflow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """One `explore` task a sample, then extract, cluster and gate, and the vote."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", workflow.node(prepare, synthesis=False))
    workflow.add_nodes(graph, explore, extract, cluster, gate, finalize)

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    graph.add_conditional_edges("gate", after_gate_or_vote, ["explore", "finalize"])
    graph.add_edge("finalize", END)
    return graph


graph = graph_factory(build)
