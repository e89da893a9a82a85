"""The conditional edges that the graphs share: which tasks, or which node, come next."""

from langgraph.types import Send

from a2r.workflow import Route, State, next_round, next_wave, remaining_rounds


@Route
def start_wave(state: State) -> list[Send]:
    """One `explore` task for each sample of the next wave."""
    return [Send("explore", task) for task in next_wave(state)]


@Route
def start_wave_by_role(state: State) -> list[Send]:
    """As `start_wave`, but samples of the synthesizer's model are drawn by `escalate`."""
    nodes = {"explorer": "explore", "synthesizer": "escalate"}
    return [Send(nodes[task["role"]], task) for task in next_wave(state)]


@Route
def start_round(state: State) -> list[Send]:
    """One `synthesize` task for each synthesis of the next round."""
    return [Send("synthesize", task) for task in next_round(state)]


@Route
def start_selection(state: State) -> list[Send]:
    """One `select` task for each judgment."""
    return [Send("select", task) for task in next_round(state)]


@Route
def after_gate(state: State) -> list[Send] | str:
    """Undecided: the next wave. Disagreed: `pack`. Agreed, or nothing left to do: `finalize`."""
    match _decision(state):
        case "sample_more":
            return start_wave(state)
        case "synthesize":
            return "pack"
        case _:
            return "finalize"


@Route
def after_gate_by_role(state: State) -> list[Send] | str:
    """As `after_gate`, with the waves of `start_wave_by_role`."""
    return start_wave_by_role(state) if _decision(state) == "sample_more" else after_gate(state)


@Route
def after_gate_or_vote(state: State) -> list[Send] | str:
    """Undecided: the next wave. Otherwise `finalize`, where the vote decides."""
    return start_wave(state) if _decision(state) == "sample_more" else "finalize"


@Route
def after_round(state: State) -> str:
    """`pack` the syntheses for the next round, or `finalize` after the last one."""
    return "pack" if remaining_rounds(state) else "finalize"


def _decision(state: State) -> str | None:
    return (state["gate"] or {}).get("decision")
