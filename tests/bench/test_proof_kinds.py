"""The proof exercises each step kind there is: a new kind must be given canaries there."""

import pytest

from proof import PERFORMED, write_flow
from proof_scan import Canaries


@pytest.mark.parametrize("kind", [entry.name for entry in PERFORMED])
def test_a_kind_has_a_flow_with_canaries(kind: str) -> None:
    canaries = Canaries()
    canaries.plant("a place")
    assert write_flow("https://site.example.com", kind, canaries)["steps"][0]["kind"] == kind
