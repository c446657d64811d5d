"""Fabrics: the only code that moves data between parties."""

from mpcjax.fabric.base import Fabric, Message, Tamper
from mpcjax.fabric.ledger import Entry, Ledger
from mpcjax.fabric.simulated import Simulated
from mpcjax.fabric.threaded import Hub, Threaded, run

__all__ = ["Entry", "Fabric", "Hub", "Ledger", "Message", "Simulated", "Tamper", "Threaded", "run"]
