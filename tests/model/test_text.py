"""What JSON text holds is found where JSON means it, and nowhere else."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winkel.model.text import escapes_nul, nests_deeper

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='\\"[]{}/ \x02', max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='\\"[{', max_size=3), inner, max_size=4)
    ),
)


@given(st.text(alphabet='\x00\\u0"/ n', max_size=30))
def test_the_escape_of_nul_is_told_from_backslashes_before_u0000(text: str) -> None:
    """Whatever stands around it: the answer is that of a JSON parser."""
    encoded = json.dumps(text).encode()
    assert escapes_nul(encoded) == ("\x00" in json.loads(encoded))


@given(VALUES)
def test_levels_are_told_as_a_parser_finds_them(value: Any) -> None:
    """Brackets in strings and behind escaped quotes are none; what stands beside each other is one level."""
    text = json.dumps(value).encode()
    for bound in range(8):
        assert nests_deeper(text, bound) == (levels(value) > bound)


def levels(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(levels, value.values() if isinstance(value, dict) else value), default=0)
