"""ChaCha20 (RFC 8439) in JAX: field elements from a key and a name, no name twice.

A *stream* is a 256-bit key per row (party or peer) and a path of labels. `child` makes the path longer; `uniform`, `coins`
and `words` expand the key under the nonce that the full path names: 96 bits of SHA-256 of an injective encoding of it,
from block 0. A stream hands out each label once, so no (key, nonce) repeats, except if two of the few hundred paths of a
session collide in 96 bits (2^-77 for 1,000 paths). `per_row` and `at` derive keys, under nonces of their own kind.

`lane_map` is the way to many outputs in one kernel, on which the speed of the expansion rests.

All code here runs inside `mpcjax._compat.x64()`.
"""

from mpcjax.prg._chacha import keystream, lane_map
from mpcjax.prg._elements import field_elements
from mpcjax.prg._stream import Stream, uniform_of_several

__all__ = ["Stream", "field_elements", "keystream", "lane_map", "uniform_of_several"]
