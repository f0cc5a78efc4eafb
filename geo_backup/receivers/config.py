"""The `[receivers]` of the configuration file: which receivers there are, and how each is set up."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from geo_backup.errors import BadValueError
from geo_backup.receivers.section import Section

if TYPE_CHECKING:  # a server without receivers does not pay for them
    from geo_backup.receivers.inlet import Inlet

KINDS = ("udp", "tcp", "mqtt", "tak")


class Receiver(Protocol):
    """One way in."""

    way: str
    """Its name in metrics and in quarantine."""

    def bind(self, tls: ssl.SSLContext | None = None) -> None:
        """Take the port before anything slow happens; what comes until `run` waits there. `tls`: by the server's own
        certificate. Raises BadValueError."""

    async def run(self, inlet: Inlet) -> None:
        """Receive until cancelled."""

    def figures(self) -> dict[str, float]:
        """What only the receiver knows, by name: for /metrics. It may be asked at any time."""


def receivers_of(said: object, folder: Path) -> tuple[Receiver, ...]:
    """The receivers that `[receivers]` of a file in a folder asks for. Raises BadValueError, which names the section,
    the key and the remedy."""
    if not isinstance(said, dict):
        raise BadValueError("--config", "receivers", "[receivers] holds sections such as [receivers.udp]")
    unknown = sorted(set(said) - set(KINDS))
    if unknown:
        words = f"[receivers.{unknown[0]}] is no receiver; there are {', '.join(KINDS)}"
        raise BadValueError("--config", "receivers", words)
    return tuple(_of(Section(name, said[name], folder), name) for name in KINDS if name in said)


def _of(section: Section, name: str) -> Receiver:
    """A receiver; what only one needs is imported with it."""
    if name == "udp":
        from geo_backup.receivers.udp import Udp

        return Udp(section)
    if name == "tcp":
        from geo_backup.receivers.tcp import Tcp

        return Tcp(section)
    if name == "tak":
        from geo_backup.receivers.tak import Tak

        return Tak(section)
    from geo_backup.receivers.mqtt import Mqtt

    return Mqtt(section)
