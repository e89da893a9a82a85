"""Cascade: where the small explorer disagrees, samples of the bigger model, then synthesis.

After Chen et al., FrugalGPT (arXiv 2305.05176), and Yue et al. (arXiv 2310.03094), with the
agreement of samples as the sign of an easy question.
"""

from langgraph.graph import END, START, StateGraph

from a2r.graphs._routing import after_gate_by_role, start_round, start_wave_by_role
from a2r.nodes import cluster, explore, extract, finalize, gate, pack, prepare, synthesize
from a2r.workflow import Context, Input, Output, State, Workflow, graph_factory


def build(workflow: Workflow) -> StateGraph[State, Context, Input, Output]:
    """As a2r, but `escalate` draws samples of the bigger model before the synthesis."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", workflow.node(prepare, cascade=True))
    graph.add_node("escalate", workflow.node(explore))
    workflow.add_nodes(graph, explore, extract, cluster, gate, pack, synthesize, finalize)

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", start_wave_by_role, ["explore"])
    graph.add_edge("explore", "extract")
    graph.add_edge("escalate", "extract")
    graph.add_edge("extract", "cluster")
    graph.add_edge("cluster", "gate")
    after = ["explore", "escalate", "pack", "finalize"]
    graph.add_conditional_edges("gate", after_gate_by_role, after)
    graph.add_conditional_edges("pack", start_round, ["synthesize"])
    graph.add_edge("synthesize", "finalize")
    graph.add_edge("finalize", END)
    return graph


graph = graph_factory(build)
