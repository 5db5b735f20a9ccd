"""What a document may be, so that a hostile one costs little. One table; its reasons: docs/decisions/0043.

The largest public document known (2026-11) has 47 MB, 22,000 operations and some 4,000,000 values.
"""

from typing import Final

DOCUMENT_MAX_BYTES: Final = 67_108_864
"""One document, and all the files that it refers to together."""
NODES_MAX: Final = 12_000_000
"""Values in it, aliases of YAML counted as what they stand for."""
DEPTH_MAX: Final = 200
"""How deep brackets or indents may be nested (of JSON the parser itself refuses more than 1,024)."""
FORM_DEPTH_MAX: Final = 64
"""How deep a schema may be nested without a reference."""
OPERATIONS_MAX: Final = 40_000
FORMS_MAX: Final = 60_000
"""Schemas that operations lead to."""
INPUTS_MAX: Final = 500
"""Of one action; an operation with more gets its body as one input."""
HOPS_MAX: Final = 32
"""References that lead to references."""
FILES_MAX: Final = 100
"""Files that a document refers to, and those that they refer to."""
ROUNDS_MAX: Final = 8
"""How deep files may refer to files."""
CHOICES_MAX: Final = 500
"""Values of an enum; of more the list is left out."""
PATTERN_MAX: Final = 500
"""Characters of a pattern; a longer one, or one that RE2 can't read, is left out."""
NAME_MAX: Final = 63
"""Characters of a name that we make."""
TEXT_MAX: Final = 1_000
"""Characters of a description; longer ones are cut."""
TITLE_MAX: Final = 120
WIRE_NAME_MAX: Final = 200
"""Characters of a parameter's own name."""
EXAMPLE_MAX_BYTES: Final = 4_096
"""An example that is larger is left out."""
NOTES_MAX: Final = 200
"""Notes about what was left out; more are counted only."""
SECONDS: Final = 60.0
"""Of computing time for one document (issue 5: the largest public one in 60 s)."""
MEMORY_BYTES: Final = 1_610_612_736
"""Of memory for one document (issue 5: 1.5 GiB)."""
