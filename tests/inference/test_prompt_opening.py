"""What an endpoint's replies show about the thinking that its prompts open."""

from __future__ import annotations

from a2r.config import RoleConfig
from a2r.inference.prompt_opening import MAX_OPENINGS, learn_opening
from a2r.inference.routing.endpoint_state import EndpointState
from a2r.inference.transport.stream_accumulator import StreamAccumulator


def role(**template: object) -> RoleConfig:
    sampling = {"extra_body": {"chat_template_kwargs": template}}
    return RoleConfig.model_validate(
        {"model": "m", "endpoints": ["http://h/v1"], "sampling": sampling}
    )


def streamed(text: str, finish_reason: str = "stop") -> StreamAccumulator:
    accumulator = StreamAccumulator()
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    accumulator.add({"choices": [choice]})
    accumulator.take_delta()
    return accumulator


def test_a_reply_shows_the_tag_of_its_template() -> None:
    endpoint = EndpointState(name="http://h/v1")
    learn_opening(endpoint, role(), streamed("So 4.</think>4"))
    learn_opening(endpoint, role(enable_thinking=False), streamed("4"))
    assert [tag and tag.name for tag in endpoint.openings.values()] == ["think", None]
    # A reply that was cut off may lack the closing tag.
    learn_opening(endpoint, role(), streamed("So it is", "length"))
    assert [tag and tag.name for tag in endpoint.openings.values()] == ["think", None]
    learn_opening(endpoint, role(), streamed("4"))
    assert [tag and tag.name for tag in endpoint.openings.values()] == [None, None]


def test_any_number_of_templates_takes_bounded_memory() -> None:
    endpoint = EndpointState(name="http://h/v1")
    for number in range(3 * MAX_OPENINGS):
        learn_opening(endpoint, role(number=number), streamed("a</think>b"))
        assert 0 < len(endpoint.openings) <= MAX_OPENINGS
