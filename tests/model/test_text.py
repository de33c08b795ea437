"""NUL is found where JSON means it, and nowhere else."""

import json

from hypothesis import given
from hypothesis import strategies as st

from winkel.model.text import escapes_nul


@given(st.text(alphabet='\x00\\u0"/ n', max_size=30))
def test_the_escape_of_nul_is_told_from_backslashes_before_u0000(text: str) -> None:
    """Whatever stands around it: the answer is that of a JSON parser."""
    encoded = json.dumps(text).encode()
    assert escapes_nul(encoded) == ("\x00" in json.loads(encoded))
