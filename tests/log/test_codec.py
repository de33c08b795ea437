"""Blocks survive the log, and nothing else is taken for one."""

import contextlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winkel.log import codec
from winkel.model.batch import EventBlock

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def blocks(draw: st.DrawFn) -> EventBlock:
    count = draw(st.integers(1, 12))

    def codes() -> tuple[list[str], bytes]:
        texts = draw(st.lists(text, min_size=1, max_size=4, unique=True))
        places = draw(st.lists(st.integers(0, len(texts) - 1), min_size=count, max_size=count))
        return texts, np.array(places, "<u4").tobytes()

    customers, customer_codes = codes()
    event_types, event_type_codes = codes()
    sources, source_codes = codes()
    times = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=count, max_size=count))
    return EventBlock(
        tenant_id=draw(st.integers(1, 2**31 - 1)),
        keys=draw(st.binary(min_size=16 * count, max_size=16 * count)),
        fingerprints=draw(st.binary(min_size=4 * count, max_size=4 * count)),
        timestamps=np.array(times, "<i8").tobytes(),
        customers=customers,
        customer_codes=customer_codes,
        event_types=event_types,
        event_type_codes=event_type_codes,
        transaction_ids=draw(st.lists(text, min_size=count, max_size=count)),
        sources=sources,
        source_codes=source_codes,
        properties=b"\n".join([b'{"a":"%d"}' % each for each in range(count)]),
    )


@given(blocks())
@settings(max_examples=60)
def test_a_block_comes_back_as_it_was(block: EventBlock) -> None:
    """Decoding undoes encoding, for any texts and numbers."""
    assert codec.decode(codec.encode(block)) == block


@given(blocks(), st.data())
@settings(max_examples=60)
def test_a_damaged_record_is_told_apart(block: EventBlock, data: st.DataObject) -> None:
    """Whatever byte is changed and wherever the record is cut, decoding it is an error, never another block."""
    encoded = codec.encode(block)
    place = data.draw(st.integers(0, len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(codec.CorruptBlockError):
        assert codec.decode(bytes(flipped)) == block  # there are bits that zstd does not look at
    with pytest.raises(codec.CorruptBlockError):
        codec.decode(encoded[:place])
    with pytest.raises(codec.CorruptBlockError):
        codec.decode(encoded + b"\x00")


@given(st.binary(max_size=60))
def test_noise_is_not_a_block(noise: bytes) -> None:
    """Arbitrary bytes raise the one error that a reader expects."""
    with pytest.raises(codec.CorruptBlockError):
        codec.decode(noise)
    with pytest.raises(codec.CorruptBlockError):
        codec.decode(b"\x01" + noise)


@given(blocks(), st.sampled_from(EventBlock.__struct_fields__[1:]))
@settings(max_examples=60)
def test_columns_of_the_wrong_length_are_refused(block: EventBlock, column: str) -> None:
    """A block whose columns do not fit together is corrupt, even when it can be unpacked."""
    value = getattr(block, column)
    wrong = value[:-1] if isinstance(value, list) else value + b"\n{}\n"
    if column in {"customers", "event_types", "sources"}:
        wrong = []
    with pytest.raises(codec.CorruptBlockError):
        codec.decode(codec.encode(msgspec.structs.replace(block, **{column: wrong})))


def test_a_block_that_unpacks_to_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size that a frame claims is looked at before anything is unpacked."""
    monkeypatch.setattr(codec, "BYTES_MAX", 1000)
    four = bytes(4)
    big = EventBlock(1, four * 4, four, four * 2, ["c"], four, ["e"], four, ["i" * 2000], [""], four, b"{}")
    with pytest.raises(codec.CorruptBlockError, match="claims"):
        codec.decode(codec.encode(big))
