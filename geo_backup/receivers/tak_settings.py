"""What a site has said of TAK in `[receivers.tak]`: where ATAK may call, and which TAK servers are called.

[receivers.tak]              # ATAK and WinTAK call this server
port = 8087                  # usual; 8089 with a certificate
allow = ["10.8.0.0/16"]      # who may call; without it this machine alone
certificate = "server.pem"   # TLS; a client's own certificate counts where `client_ca` made it
key = "server.key"
client_ca = "devices.pem"
every_s = 5                  # how often units that move are shown; without it, each second

[[receivers.tak.connect]]    # this server calls a TAK server
host = "tak.example.org"
port = 8089
ca = "tak-ca.pem"            # who vouches for that server, and what this one shows of itself
certificate = "geo-backup.pem"
key = "geo-backup.key"
sees = "tak-gateway"         # the token by whose rights things are shown there
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from geo_backup.receivers.section import Section

PORT, TLS_PORT = 8087, 8089
CONNECTIONS_MAX = 8
EVERY_S, EVERY_MAX_S = 1, 20
"""How often units that move are shown: what has not changed is sent after 30 s."""


@dataclass(frozen=True)
class Files:
    """Certificates in PEM: one's own with its key, and the authority that vouches for the other side."""

    certificate: Path | None
    key: Path | None
    authority: Path | None

    @classmethod
    def of(cls, section: Section, authority: str) -> Files:
        """Half of a pair is refused once all keys have been asked for."""
        found = cls(section.file("certificate"), section.file("key"), section.file(authority))
        if (found.certificate is None) != (found.key is None):
            section.lacks("key", "is the key of `certificate`: name both, or neither")
        return found

    def server(self, section: Section) -> ssl.SSLContext | None:
        """For those who call; None without a certificate. Raises BadValueError."""
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context, section)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self, section: Section) -> ssl.SSLContext:
        """For a server that is called. Where the site names an authority, its word is enough: TAK servers have
        certificates without their names. Raises BadValueError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.authority is None
        if self.authority is None:
            context.load_default_certs()
        self._load(context, section)
        return context

    def _load(self, context: ssl.SSLContext, section: Section) -> None:
        try:
            if self.certificate is not None and self.key is not None:
                context.load_cert_chain(self.certificate, self.key, password="")
            if self.authority is not None:
                context.load_verify_locations(self.authority)
        except (OSError, ValueError) as error:
            raise section.wrong("certificate", f"cannot be used with its unlocked key, both in PEM: {error}") from None


class Connect:
    """A TAK server that this one calls."""

    def __init__(self, section: Section) -> None:
        files = Files.of(section, "ca")
        self.host = section.text("host")
        if not self.host:
            section.lacks("host", 'is missing: name the server, such as host = "tak.example.org"')
        encrypts = section.flag("tls") or files != Files(None, None, None)
        self.tls = files.client(section) if encrypts else None
        self.port = section.whole("port", TLS_PORT if encrypts else PORT, 1, 65_535) or PORT
        self.username, self.password = section.text("username"), section.secret("password_env")
        self.sees = section.text("sees")
        """The id of a token: what it may see is shown there; without it nothing is, where people are configured."""
        self.protobuf = section.flag("protobuf")
        self.every_s = section.whole("every_s", EVERY_S, 1, EVERY_MAX_S) or EVERY_S
        section.done()
