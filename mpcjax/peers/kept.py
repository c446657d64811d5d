"""What a peer keeps of a session on disk, so that a process that takes over from it harms nobody."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

SEED_BYTES = 32


@dataclasses.dataclass
class Kept:
    """A file with the `seed` of a session and the last round that this peer has `begun` with, -1 for none.

    Of a round that it has begun with a peer may have dealt. If another process dealt in it again, with other randomness,
    members would take the one dealing or the other, so a peer that comes back takes no part in it.
    `path`: None keeps nothing, for a peer that cannot come back.
    """

    path: Path | None
    seed: bytes | None = None
    begun: int = -1

    @staticmethod
    def at(path: str | os.PathLike | None) -> Kept:
        """What the file holds, or nothing where there is none yet. Raises ValueError for another file."""
        target = None if path is None else Path(path)
        if target is None or not target.exists():
            return Kept(target)
        try:
            found = json.loads(target.read_text())
            seed, begun = bytes.fromhex(found["seed"]), found["begun"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(_wrong(target, f"{type(error).__name__}: {error}")) from error
        if len(seed) != SEED_BYTES or type(begun) is not int or begun < -1:
            raise ValueError(_wrong(target, f"a seed of {len(seed)} bytes and begun={begun!r}"))
        return Kept(target, seed, begun)

    def start(self, seed: bytes) -> None:
        self.seed = seed
        self._write()

    def begin(self, number: int) -> None:
        """Before anything of round `number` is said. On disk when this returns."""
        self.begun = max(self.begun, number)
        self._write()

    def _write(self) -> None:
        if self.path is None or self.seed is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        with partial.open("w") as file:
            json.dump({"seed": self.seed.hex(), "begun": self.begun}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)  # or after a power cut the old file could be there again
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _wrong(path: Path, found: str) -> str:
    return (
        f"session={str(path)!r}: found {found}; legal is a file that `mpcjax.connect` made, with a seed of {SEED_BYTES} bytes "
        "and the last round begun. Name another file, or remove this one at all peers and begin anew"
    )
