"""A document is read back exactly as it was written, whatever texts stand in it; comments disturb nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from blubees.flows.document import read_document
from blubees.flows.jira_rules.writing import COMMENT, PATH, write_document

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LEAVES = st.one_of(
    TEXTS, st.integers(-(10**12), 10**12), st.booleans(), st.none(), st.floats(-1e6, 1e6).map(lambda each: round(each, 3))
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXTS.filter(lambda key: key not in {COMMENT, PATH}), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(TREES, st.lists(TEXTS, max_size=3))
def test_what_is_written_is_read_back(tree: Any, comment: list[str]) -> None:
    document = {COMMENT: comment, "a": tree, "b": [{COMMENT: comment, "id": "x", PATH: "y", "c": tree}]}
    read = read_document(write_document(document))
    assert not read.problems
    assert read.data == {"a": tree, "b": [{"id": "x", "c": tree}]}
