"""TLS on the server's own port: what it shows of itself is exchanged while it runs, and slow handshakes give way."""

from __future__ import annotations

import asyncio
import datetime
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

from geo_backup.client import Client
from geo_backup.errors import BadValueError, GeoBackupError
from geo_backup.people import Roster
from geo_backup.server import door
from geo_backup.server.speaker import COOKIE
from geo_backup.server.tls import Certificate
from tests.running import ServerInThread, eventually

PASSWORD = "correct horse battery"


def write(folder: Path, name: str, *, locked: bool = False) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, called `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(b"secret") if locked else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    files = folder / "cert.pem", folder / "key.pem"
    for file, text in zip(files, (made.public_bytes(serialization.Encoding.PEM), pem), strict=True):
        file.write_bytes(text)
    return files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def sealed(folder: Path) -> Iterator[ServerInThread]:
    roster = Roster(folder / "people.sqlite")
    roster.people.add(
        "lind", name="Eva Lind", agency="*", roles=("dispatcher",), password=PASSWORD, with_code=False, by="test"
    )
    server = ServerInThread(folder / "log.sqlite", roster=roster, certificate=Certificate(*write(folder, "first")))
    yield server.start()
    server.stop()
    assert "Traceback" not in server.said()


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown(server: ServerInThread) -> str:
    """The name in the certificate that a new connection is shown."""
    with (
        socket.create_connection(("127.0.0.1", server.port)) as plain,
        unchecked().wrap_socket(plain, server_hostname="127.0.0.1") as line,
    ):
        found = x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"")
    return str(found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_a_page_signs_in_by_tls_and_its_cookie_goes_no_other_way(sealed: ServerInThread, folder: Path) -> None:
    trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with httpx.Client(base_url=sealed.url, verify=trust, trust_env=False) as client:
        came = client.post("/v1/session", json={"person_id": "lind", "password": PASSWORD})
        assert came.status_code == 201
        assert "; Secure" in came.headers["set-cookie"]
        cookie = f"{COOKIE}={client.cookies[COOKIE]}"
        url = sealed.url.replace("http", "ws", 1) + "/v1/feed"
        with connect(url, additional_headers={"Cookie": cookie}, ssl=trust, proxy=None) as feed:
            feed.send(json.dumps({"type": "hello"}))
            assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{sealed.port}/healthz", trust_env=False)


def test_a_client_trusts_whom_its_machine_trusts(
    sealed: ServerInThread, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked() -> str:
        async with Client(sealed.url) as client:
            return str((await client.call("GET", "/healthz"))["status"])

    with pytest.raises(GeoBackupError):
        asyncio.run(asked())
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))
    assert asyncio.run(asked()) == "ok"


def test_a_new_certificate_is_shown_while_connections_stand(sealed: ServerInThread, folder: Path) -> None:
    former = shown(sealed)
    standing = http.client.HTTPSConnection("127.0.0.1", sealed.port, context=unchecked())
    standing.request("GET", "/healthz")
    assert standing.getresponse().read()
    line = standing.sock
    (folder / "cert.pem").write_text("half of it")
    eventually(lambda: "the former certificate stays" in sealed.said(), "the warning")
    assert shown(sealed) == former
    write(folder, "second")
    eventually(lambda: shown(sealed) == "second", "the new certificate")
    standing.request("GET", "/healthz")
    assert standing.getresponse().status == 200
    assert standing.sock is line
    standing.close()


def test_whoever_says_nothing_gives_way_to_whoever_has_something_to_say(
    sealed: ServerInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [socket.create_connection(("127.0.0.1", sealed.port)) for _ in range(5)]
    try:
        assert httpx.get(f"{sealed.url}/healthz", verify=False, trust_env=False).status_code == 200
        monkeypatch.setattr(door, "WITHIN_S", 0.5)
        for one in silent:  # of which the handshake was not begun within this time
            one.settimeout(10)
            assert one.recv(1) == b""
    finally:
        for one in silent:
            one.close()


def test_files_that_are_no_pair_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certificate, _ = write(tmp_path, "one")
    _, key = write(tmp_path / "other", "two")
    with pytest.raises(BadValueError, match="not a certificate and its unlocked key"):
        Certificate(certificate, key)
    with pytest.raises(BadValueError, match="not a certificate and its unlocked key"):
        Certificate(*write(tmp_path, "locked", locked=True))
