"""What the server fetches: from whom, how much, how long, and nothing past the one module that says so."""

from __future__ import annotations

import ast
import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from geo_backup.errors import OutboundError
from geo_backup.outbound import Outbound, Reply
from tests.running import ROOT

HOST = "idp.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


def says(reply: bytes) -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        writer.write(reply)
        await writer.drain()

    return answer


@asynccontextmanager
async def host(
    answer: Answer, heads: list[bytes] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Somebody on loopback who answers; its port."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            await answer(reader, writer, head)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def at(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver by which every name has these addresses."""

    async def resolve(_: str, __: int) -> list[str]:
        return list(addresses)

    return resolve


def refused(url: str, outbound: Outbound) -> str:
    with pytest.raises(OutboundError) as error:
        asyncio.run(outbound.fetch(url))
    return str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%2", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:0:0:0:0:80ff:fffe"),
    ],
)
def test_what_is_not_public_is_refused_unless_it_is_listed(address: str) -> None:
    words = refused(f"https://{HOST}/x?code=secret", Outbound(resolve=at("8.8.8.8", address)))
    assert "no public address" in words
    assert f'hosts = ["{HOST}:443"]' in words
    assert "secret" not in words


def test_only_https_and_no_names_in_the_url() -> None:
    outbound = Outbound(resolve=at("8.8.8.8"))
    assert "without TLS" in refused(f"http://{HOST}/", outbound)
    for url in ("ftp://idp.test/", "file:///etc/passwd", "//idp.test/", "https://", "https://[", ""):
        assert "https" in refused(url, outbound), url
    words = refused(f"https://me:secret@{HOST}/", outbound)
    assert "take it out" in words
    assert "secret" not in words


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://2130706433:1/", "http://0x7f.1:1/", "http://[::1]:1/"])
def test_loopback_by_any_spelling(url: str) -> None:
    https = url.replace("http:", "https:")
    assert "no public address" in refused(https, Outbound())


def test_a_listed_host_is_fetched_with_its_own_name() -> None:
    async def story() -> tuple[Reply, Reply]:
        heads: list[bytes] = []
        async with host(says(OK), heads) as port:
            outbound = Outbound([f"{HOST.upper()}:{port}"], resolve=at("127.0.0.1"))
            got = await outbound.fetch(f"http://{HOST}:{port}/keys?x=1", headers={"Authorization": "Basic x"})
            sent = await outbound.fetch(f"http://{HOST}:{port}/token", form={"code": "a b"})
            with pytest.raises(OutboundError, match="without TLS"):  # the port is part of what was listed
                await outbound.fetch(f"http://{HOST}:{port - 1}/")
        assert f"host: {HOST}:{port}".encode() in heads[0].lower()
        assert heads[0].startswith(b"GET /keys?x=1 ")
        assert b"Basic x" in heads[0]
        assert heads[1].startswith(b"POST /token ")
        return got, sent

    got, sent = asyncio.run(story())
    assert (got.status, got.body, sent.status) == (200, b"{}", 200)


def test_the_name_is_resolved_once_and_the_next_address_has_its_turn() -> None:
    """A name that would be private at a second look is connected to where the first look found it."""
    asked: list[str] = []

    async def resolve(name: str, _: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.2", "127.0.0.1"]

    async def story() -> Reply:
        async with host(says(OK)) as port:  # on 127.0.0.1 alone: nobody listens at the first address
            return await Outbound([HOST], resolve=resolve).fetch(f"http://{HOST}:{port}/")

    assert asyncio.run(story()).status == 200
    assert asked == [HOST]


def test_redirects_sizes_and_packed_answers_are_refused() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # neither ends nor pauses for long
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: bytes) -> None:
        await reader.read()

    async def words(answer: Answer, within_s: float = 10.0) -> str:
        async with host(answer) as port:
            with pytest.raises(OutboundError) as error:
                await Outbound([HOST], resolve=at("127.0.0.1")).fetch(
                    f"http://{HOST}:{port}/?token=secret", most_bytes=1_000, within_s=within_s
                )
        assert HOST in str(error.value)
        assert "secret" not in str(error.value)
        return str(error.value)

    async def story() -> None:
        moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        assert "not followed" in await words(says(moved))
        assert "more than 1000 bytes" in await words(says(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000))
        packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
        assert "packs" in await words(says(packed))
        assert "within 0.2 s" in await words(silent, 0.2)
        assert "within 0.2 s" in await words(drip, 0.2)
        assert "broke off" in await words(says(b"nonsense\r\n\r\n"))

    asyncio.run(story())


def certificate_for(name: str, folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate that vouches for itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, secret = folder / "certificate.pem", folder / "key.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, secret)
    return path, context


def test_a_certificate_is_of_the_name_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the connection goes to an address, TLS asks for the name and holds the certificate against it."""
    path, tls = certificate_for(HOST, tmp_path)

    async def story() -> None:
        async with host(says(OK), tls=tls) as port:
            with pytest.raises(OutboundError, match="certificate"):
                await Outbound([HOST], resolve=at("127.0.0.1")).fetch(f"https://{HOST}:{port}/")
            monkeypatch.setenv("SSL_CERT_FILE", str(path))
            outbound = Outbound([HOST, "other.test"], resolve=at("127.0.0.1"))
            assert (await outbound.fetch(f"https://{HOST}:{port}/")).status == 200
            with pytest.raises(OutboundError, match="certificate"):
                await outbound.fetch(f"https://other.test:{port}/")

    asyncio.run(story())


def test_a_host_that_is_down_is_named() -> None:
    words = refused(f"http://{HOST}:1/", Outbound([HOST], resolve=at("127.0.0.1")))
    assert f"{HOST}:1 cannot be reached" in words

    async def unknown(_: str, __: int) -> list[str]:
        raise OSError("Name or service not known")

    assert f"address of {HOST}" in refused(f"https://{HOST}/", Outbound(resolve=unknown))


OTHERS = {"client.py", "replay/remote.py", "outbound.py", "pair/witness.py"}
"""`client.py` and `replay/remote.py` are programs that speak to a server, and no part of one. `pair/witness.py` asks
the one address that `--witness` names each second, by a line that stays open, and follows nowhere else."""
FETCHERS = {"httpx", "httpcore", "requests", "urllib.request", "urllib3", "http.client", "aiohttp", "jwt.jwks_client"}
APART = ("cli/", "demo/", "lab/", "load/", "cartography/")
"""Commands, and what runs under their hand before or without a server."""


def test_nothing_else_in_the_server_fetches() -> None:
    package = ROOT / "geo_backup"
    found = {}
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if "node_modules" not in path.parts and name not in OTHERS and not name.startswith(APART):
            found[name] = _imports(path) & FETCHERS
    assert len(found) > 100
    assert {name: what for name, what in found.items() if what} == {}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names |= {"jwt.jwks_client"} if node.attr == "PyJWKClient" else set()
    return {".".join(name.split(".")[:n]) for name in names for n in (1, 2)}
