"""The transport between peers that run in processes of their own: authenticated channels, and nothing of MPC.

`config` reads a peer's `peer.toml`, `identity` its key, `channels` connects it with the others, `doctor` says what is wrong.
"""

try:
    import cryptography as _cryptography  # noqa: F401 - only to say what is missing
except ImportError as missing:
    raise ImportError('peers over the network need the extra "peer": pip install "mpcjax[peer]"') from missing

from mpcjax.net.channels import Channels
from mpcjax.net.config import Config
from mpcjax.net.errors import FrameError, Gone, Malformed, NetworkError, Silent
from mpcjax.net.frame import Frame, Kind
from mpcjax.net.identity import Identity

__all__ = [
    "Channels",
    "Config",
    "Frame",
    "FrameError",
    "Gone",
    "Identity",
    "Kind",
    "Malformed",
    "NetworkError",
    "Silent",
]
