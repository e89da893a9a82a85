"""instructor, which needs an earlier version of `openai` than the other clients."""

from __future__ import annotations

import pytest

from tests.support.clients import IN_JSON, QUESTION, Start, Sum
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

pytestmark = [pytest.mark.integration, pytest.mark.clients]


@pytest.mark.parametrize("mode", ["JSON", "JSON_SCHEMA", "MD_JSON"])
def test_instructor(start: Start, mode: str) -> None:
    import instructor

    setup = start(replies(small=IN_JSON))
    client = instructor.from_openai(setup.client, mode=instructor.Mode[mode])
    messages = [{"role": "user", "content": QUESTION}]
    total = client.create(model=MODEL, messages=messages, response_model=Sum)
    # It is of a subclass.
    assert total.model_dump() == {"terms": [12, 30], "total": 42}
