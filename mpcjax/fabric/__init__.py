"""Fabrics: the only code that moves data between parties."""

from mpcjax.fabric.base import Fabric, Message, Tamper
from mpcjax.fabric.cut import Cut, Mark, mark_p
from mpcjax.fabric.ledger import Entry, Ledger
from mpcjax.fabric.simulated import Simulated
from mpcjax.fabric.threaded import Hub, Threaded, run

__all__ = [
    "Cut",
    "Entry",
    "Fabric",
    "Hub",
    "Ledger",
    "Mark",
    "Message",
    "Simulated",
    "Tamper",
    "Threaded",
    "mark_p",
    "run",
]
