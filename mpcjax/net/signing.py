"""What the signature of a signed frame says: I told *this receiver*, in this run, round and attempt, this array.

It can be shown to others: with the array, the signature and the sender's certificate they check it as the receiver did.
The sender is whoever the key belongs to, so the statement need not name it.
"""

from __future__ import annotations

import hashlib
import struct

from mpcjax.net.arrays import little_endian, raw
from mpcjax.net.frame import Frame

CONTEXT = "signed frame 1"


def statement(agreement: bytes, receiver: int, frame: Frame) -> bytes:
    """The bytes that are signed. `agreement` binds to consortium and run, `receiver` is an index among its peers."""
    array, label = little_endian(frame.array), frame.label.encode()
    return b"".join(
        (
            struct.pack("<32sIIHHB", agreement, receiver, frame.round, frame.attempt, len(label), array.ndim),
            label,
            struct.pack("<4s", array.dtype.str.encode()),
            struct.pack(f"<{array.ndim}Q", *array.shape),
            hashlib.sha256(raw(array)).digest(),
        )
    )
