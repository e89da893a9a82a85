"""A short run of the differential fuzz; `make fuzz` is the long one."""

from __future__ import annotations

import pytest

from tests.answers.fuzz.runner import GENERATORS, beyond_limit, fuzz

ROUNDS = 25


@pytest.mark.integration
def test_generated_pairs_have_the_expected_verdicts() -> None:
    tallies = fuzz(20260101, rounds=ROUNDS)
    assert tallies.keys() == GENERATORS.keys()
    assert all(tally.tried == ROUNDS for tally in tallies.values())
    assert all(0 < tally.equal < ROUNDS for tally in tallies.values())
    examples = {name: (tallies[name].false, tallies[name].missed) for name in beyond_limit(tallies)}
    assert examples == {}
