"""Long vectors in slices on several devices: what a phase does where something long becomes short.

A phase is traced once for a slice and runs on every device of one axis of a mesh (`over_devices`). All that is short
(offline material, coins, bits of peers, verdicts) is computed by every device alike, from the same streams; what is long is
drawn from streams of the device's own, and never leaves it: only sums and folds of slices are exchanged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec

from mpcjax.fields import Field
from mpcjax.prg import Stream


@dataclasses.dataclass(frozen=True)
class Spread:
    """How vectors of `length` are cut: into slices of `local` for `devices` devices along the mesh axis `axis`.

    Without an axis (`WHOLE`) nothing is cut: every method hands back what it is given, and a program has no trace of it.
    """

    axis: str | None = None
    devices: int = 1
    length: int = 0

    def whole(self, local: int) -> int:
        """The length of a vector of which a slice has `local` elements, without what fills up the last slice."""
        return local if self.axis is None else self.length

    @property
    def local(self) -> int:
        """The length of a slice."""
        return -(-self.length // self.devices)

    def own(self, stream: Any) -> Any:
        """Of a one-row stream that all devices have: one for this device alone."""
        return stream if self.axis is None else _numbered(stream, jax.lax.axis_index(self.axis))

    def entry(self, x: Any) -> Any:
        """This device's entry of `x [devices]`, which all devices have."""
        return x[0] if self.axis is None else x[jax.lax.axis_index(self.axis)]

    def total(self, field: Field, x: Any) -> Any:
        """Sums mod p over the devices of field elements `x [...]`. Sends x to every device."""
        return x if self.axis is None else field.sum(jax.lax.all_gather(x, self.axis), axis=0)

    def summed(self, x: Any) -> Any:
        """Sums over the devices of 64-bit integers `x [...]`."""
        return x if self.axis is None else jax.lax.psum(x, self.axis)

    def gathered(self, x: Any) -> Any:
        """The slices `x [..., L]` of all devices one after the other: `[..., devices L]`, on every device."""
        return x if self.axis is None else jax.lax.all_gather(x, self.axis, axis=x.ndim - 1, tiled=True)

    def refuse(self, operation: str) -> None:
        """Of what is not done on slices."""
        if self.axis is not None:
            raise ValueError(
                f"{operation}: not on a mesh, where every device has a slice of each message and combines it alone; legal "
                "are sums over the peers (mpcjax.secret.weighted_sum, mask, +, -); or leave out mesh="
            )


WHOLE = Spread()


def _numbered(stream: Stream, index: Any) -> Stream:
    return stream.at("device", index)


def over_devices(
    spread: Spread, mesh: Any = None, shared: int = 1
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: `function`, of slices, as one of arrays with a leading axis over the devices.

    The first `shared` arguments have no such axis: every device gets all of them. Without `mesh`: for abstract tracing.
    """
    if spread.axis is None:
        return lambda function: function
    mesh = jax.sharding.AbstractMesh((spread.devices,), (spread.axis,)) if mesh is None else mesh
    each, everywhere = PartitionSpec(spread.axis), PartitionSpec()

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        def sliced(*args: Any) -> Any:
            mine = jax.tree.map(lambda x: x[0], args[shared:])
            return jax.tree.map(lambda x: x[None], function(*args[:shared], *mine))

        def run(*args: Any) -> Any:
            specs = (everywhere,) * shared + (each,) * (len(args) - shared)
            # what is the same on all devices is so by its streams, which no checker of types sees
            return jax.shard_map(sliced, mesh=mesh, in_specs=specs, out_specs=each, check_vma=False)(*args)

        return run

    return decorated
