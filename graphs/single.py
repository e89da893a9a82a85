"""Single: one plain sample, no vote and no synthesis, such as for requests that are not questions.

The prompt is the request itself, without instructions for an answer, unless the kind is `json`.
"""

from langgraph.graph import END, START, StateGraph

from a2r.graphs._routing import start_wave
from a2r.nodes import cluster, explore, extract, finalize, prepare
from a2r.workflow import Context, Input, Output, State, Workflow, graph_factory


def build(workflow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """One `explore` task, then extract; its one answer is a cluster of its own."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", workflow.node(prepare, single=True))
    workflow.add_nodes(graph, explore, extract, cluster, finalize)

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "finalize")
    graph.add_edge("finalize", END)
    return graph


graph = graph_factory(build)
