"""What a peer keeps of a session on disk, so that a process that takes over from it harms nobody."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import IO

SEED_BYTES = 32


@dataclasses.dataclass
class Kept:
    """A file with the `seed` of a session and the last round that this peer has `begun` with, -1 for none.

    Of a round that it has begun with a peer may have dealt. If another process dealt in it again, with other randomness,
    members would take the one dealing or the other, so a peer that comes back takes no part in it.
    `path`: None keeps nothing, for a peer that cannot come back.

    One process at a time: two would both take part, in each other's name.
    """

    path: Path | None
    seed: bytes | None = None
    begun: int = -1
    lock: IO[str] | None = None

    @staticmethod
    def at(path: str | os.PathLike | None) -> Kept:
        """What the file holds, or nothing where there is none yet. Raises ValueError for another file, or one that is in use."""
        target = None if path is None else Path(path)
        lock = None if target is None else _locked(target)
        try:
            return Kept._read(target, lock)
        except ValueError:
            Kept(target, lock=lock).close()
            raise

    @staticmethod
    def _read(target: Path | None, lock: IO[str] | None) -> Kept:
        if target is None or not target.exists():
            return Kept(target, lock=lock)
        try:
            found = json.loads(target.read_text())
            seed, begun = bytes.fromhex(found["seed"]), found["begun"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(_wrong(target, f"{type(error).__name__}: {error}")) from error
        if len(seed) != SEED_BYTES or type(begun) is not int or begun < -1:
            raise ValueError(_wrong(target, f"a seed of {len(seed)} bytes and begun={begun!r}"))
        return Kept(target, seed, begun, lock)

    def close(self) -> None:
        """Another process may go on with it."""
        if self.lock is not None:
            fcntl.flock(self.lock, fcntl.LOCK_UN)  # a child of this process may have it open too
            self.lock.close()

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


def _locked(path: Path) -> IO[str]:
    """A file beside it, locked until it is closed or the process ends, however that ends."""
    if path.is_dir():
        raise ValueError(
            f"session={str(path)!r}: found a folder; legal is a file in it, such as {str(path / 'session.json')!r}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise ValueError(
            f"session={str(path)!r}: another process holds it; legal is one at a time. Stop that one ({path.name}.lock beside it "
            "is locked), or name another file"
        ) from error
    return lock


def _wrong(path: Path, found: str) -> str:
    return (
        f"session={str(path)!r}: found {found}; legal is a file that `mpcjax.connect` made, with a seed of {SEED_BYTES} bytes "
        "and the last round begun. Name another file, or remove this one at all peers and begin anew"
    )
