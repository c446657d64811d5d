"""ChaCha20 beside OpenSSL's, and what is made of it: field elements and dealt shares.

OpenSSL (by way of `cryptography`) encrypts zeros from one cache-resident buffer into another, one thread per core: the
speed of the cipher alone. The row `prg/keystream` is measured the same way, the kernel without storing its output; the
others fill new arrays, and so also pay for memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from mpcjax._compat import program_options, x64_scope
from mpcjax.fields import F31, F61, Field, kernels
from mpcjax.prg import Stream, _chacha, _elements, field_elements, lane_map
from mpcjax.sharing import deal_rows

BUFFER = 1 << 19
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@x64_scope
def run(quick: bool) -> list[harness.Row]:
    rows = keystream_rows(1 << 28)
    peers, length = (20, 1_000_000) if quick else (100, 1_000_000)
    own = Stream.from_seed(bytes(32)).per_row("peer", range(peers))
    keys, nonces = own.claim("message")
    for field in (F61, F31):
        rows += element_rows(field, keys[:20], nonces, (2, length))
    rows += [deal_row(F61, m, t, own, size) for m, t, size in ((5, 2, length), (21, 10, length // 10))]
    return rows


def openssl(nbytes: int, threads: int) -> Callable[[], None] | None:
    """Encrypt `nbytes` of zeros; None without `cryptography`."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    except ImportError:
        return None
    zeros = bytes(BUFFER)

    def work() -> None:
        sealed = Cipher(algorithms.ChaCha20(bytes(32), bytes(16)), None).encryptor()
        target = bytearray(BUFFER)
        for _ in range(nbytes // threads // BUFFER):
            sealed.update_into(zeros, target)

    def all_threads() -> None:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return all_threads


def keystream_only(nbytes: int) -> Callable[[], Any]:
    """All blocks of one key, chunk by chunk, keeping an exclusive or of a few words of each."""
    lanes = _elements.LANES
    scalars = [jnp.uint32(w) for w in range(11)]

    def block(given: Any, lane: Any) -> list[Any]:
        return _chacha.core(given[:8], lane[0], given[8:])

    @partial(jax.jit, compiler_options=program_options())
    def blocks(scalars: Any) -> Any:
        def one_chunk(i: Any, kept: Any) -> Any:
            counters = kernels.unhoisted(i).astype(jnp.uint32) * np.uint32(lanes) + jnp.arange(lanes, dtype=jnp.uint32)
            return kept ^ lane_map(block, scalars, [counters], 16)[0][:8]

        return jax.lax.fori_loop(0, nbytes // (64 * lanes), one_chunk, jnp.zeros(8, jnp.uint32))

    return lambda: blocks(scalars)


def keystream_rows(nbytes: int) -> list[harness.Row]:
    contenders: dict[str, Callable[[], Any]] = {"jax": keystream_only(nbytes)}
    for name, threads in (("one", 1), ("all", CORES)):
        if call := openssl(nbytes, threads):
            contenders[name] = call
    times = harness.race(contenders, repeats=9, budget=12.0)
    rates = {name: nbytes / seconds / 1e9 for name, seconds in times.items()}
    floor: dict[str, Any] = {"floor": rates["all"], "floor_name": "OpenSSL, all cores"} if "all" in rates else {}
    shape = f"{nbytes >> 20} MiB"
    rows = [harness.row("prg/keystream", rates["jax"], "GB/s", shape=shape, more_is_better=True, **floor)]
    for name, label in (("one", "one core"), ("all", f"{CORES} cores")):
        if name in rates:
            rows.append(harness.row(f"prg/OpenSSL, {label}", rates[name], "GB/s", shape=shape, more_is_better=True))
    return rows


def element_rows(field: Field, keys: Any, nonces: Any, shape: tuple[int, int]) -> list[harness.Row]:
    """Elements of several peers; the floor writes the same bytes by one addition."""
    nbytes = field.nbytes * keys.shape[0] * shape[0] * shape[1]
    expand = jax.jit(lambda keys, nonces: field_elements(keys, nonces, field, shape))
    times = harness.race(
        {"prg": lambda: expand(keys, nonces), "add": harness.addition(nbytes, field.dtype)}, budget=10.0
    )
    return [
        harness.row(
            f"prg/elements, e={field.exponent}",
            nbytes / times["prg"] / 1e9,
            "GB/s",
            shape=(keys.shape[0], *shape),
            floor=nbytes / times["add"] / 1e9,
            floor_name="integer addition",
            more_is_better=True,
        )
    ]


def deal_row(field: Field, parties: int, threshold: int, own: Stream, length: int) -> harness.Row:
    """Shamir shares of every peer's vector; the floor writes as many bytes by one addition."""
    peers = own.rows
    keys, nonces = own.shared(f"members of {parties}", threshold).claim("message")
    secrets = jnp.broadcast_to(jnp.arange(length, dtype=field.dtype), (peers, length))
    nbytes = field.nbytes * parties * peers * length
    deal = jax.jit(lambda secrets, keys, nonces: deal_rows(field, parties, threshold, secrets, keys, nonces))
    part = min(
        nbytes, 1 << 29
    )  # the addition reads twice as much as it writes: scaled, to need no more memory than the shares
    times = harness.race(
        {"deal": lambda: deal(secrets, keys, nonces), "add": harness.addition(part, field.dtype)},
        repeats=5,
        budget=20.0,
    )
    return harness.row(
        f"prg/dealing, m={parties}",
        times["deal"],
        "s",
        shape=(parties, peers, length),
        floor=times["add"] * nbytes / part,
        floor_name="integer addition",
    )
