"""Who a TAK peer is, where people are configured, and what it may therefore see and say: by TLS, as devices do it."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from geo_backup.formats.cot_items import signing_in
from geo_backup.people import Roster
from geo_backup.receivers.config import receivers_of
from geo_backup.receivers.tak import Tak
from tests.asking import new_incident, new_unit
from tests.receivers.saying import lon_lat
from tests.receivers.talking import Client, event, unsent
from tests.running import ServerInThread, eventually
from tests.server.test_access import speaks

PING = event("t-x-c-t", "A-ping")


class Authority:
    """What makes certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "devices")])
        self.file, _ = self.make("devices", self.key)

    def make(self, name: str, key: ec.EllipticCurvePrivateKey | None = None) -> tuple[Path, Path]:
        """A certificate and its key."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.name)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=key is not None, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return files

    def client(self, name: str = "") -> ssl.SSLContext:
        """A client that shows the certificate of a name, or none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.file)
        if name:
            context.load_cert_chain(*self.make(name))
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tak"))


@pytest.fixture(scope="module")
def tak(authority: Authority) -> Tak:
    certificate, key = authority.make("server")
    said = {"port": 0, "certificate": certificate.name, "key": key.name, "client_ca": authority.file.name}
    (made,) = receivers_of({"tak": said}, authority.folder)
    made.bind()
    assert isinstance(made, Tak)
    return made


@pytest.fixture(scope="module")
def guarded(authority: Authority, tak: Tak) -> Iterator[ServerInThread]:
    folder = authority.folder
    server = ServerInThread(folder / "log.sqlite", roster=Roster(folder / "people.sqlite"), receivers=(tak,)).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def tokens(guarded: ServerInThread) -> dict[str, str]:
    assert guarded.roster is not None
    issue = guarded.roster.tokens.issue
    return {
        "centre": issue("centre", "program", agency="*", roles=("supervisor",), by="test"),
        "desk": issue("desk", "program", agency="police", roles=("dispatcher",), by="test"),
        "phone": issue("phone", "device", agency="police", roles=("device",), units=("TAK-P1",), by="test"),
    }


@pytest.fixture(scope="module")
def http(guarded: ServerInThread, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with speaks(guarded, tokens["centre"]) as client:
        for unit_id, agency in (("TAK-P1", "police"), ("TAK-F1", "fire")):
            body = {"callsign": f"{unit_id} call", "agency": agency, "kind": agency, "capabilities": []}
            assert client.put(f"/v1/units/{unit_id}", json=body).status_code == 201
        yield client


@pytest.fixture(scope="module")
def police(http: httpx.Client) -> str:
    return new_unit(http, [11.97, 57.7], agency="police")


@pytest.fixture(scope="module")
def fire(http: httpx.Client) -> str:
    return new_unit(http, [11.971, 57.7], agency="fire")


def test_a_token_shows_what_it_may_see_and_nothing_else(
    http: httpx.Client, tak: Tak, authority: Authority, tokens: dict[str, str], police: str, fire: str
) -> None:
    incident_id = new_incident(http, agency="fire")
    client = Client(tak.port or 0, authority.client())
    client.send(signing_in("anybody", tokens["desk"], "ANDROID-1"))
    client.hears(f'uid="geo-backup.{police}"')
    client.send(PING)
    client.hears('type="t-x-c-t-r"')
    assert not client.events(f"geo-backup.{fire}|{incident_id}")
    assert http.put(f"/v1/units/{police}", json=_hidden(http, police)).is_success
    gone = client.hears(f'type="t-x-d-d".*<link uid="geo-backup.{police}"')
    assert "<__forcedelete/>" in gone


def _hidden(http: httpx.Client, unit_id: str) -> dict[str, object]:
    unit = http.get(f"/v1/units/{unit_id}").json()["properties"]
    return {**{name: unit[name] for name in ("callsign", "agency", "kind", "capabilities")}, "hidden": True}


def test_a_certificate_names_the_unit_and_is_shown_nothing_it_has_no_right_to(
    http: httpx.Client, tak: Tak, authority: Authority, tokens: dict[str, str], fire: str
) -> None:
    client = Client(tak.port or 0, authority.client("phone"))
    client.send(event("a-f-G-U-C", "ANDROID-9", lon=11.962), event("a-f-G-U-C", fire, lon=11.962, s=1), PING)
    client.hears('type="t-x-c-t-r"')
    eventually(lambda: lon_lat(http, "TAK-P1") == [11.962, 57.7], "the device's unit")
    assert lon_lat(http, fire) == [11.971, 57.7], "it does not speak for that one"
    assert not client.events('uid="geo-backup')


def test_whoever_shows_nothing_speaks_for_one_thing_and_is_shown_nothing(
    http: httpx.Client, tak: Tak, authority: Authority, fire: str
) -> None:
    client = Client(tak.port or 0, authority.client())
    client.send(event("a-f-G-U-C", "TAK-F1", lon=11.963), event("a-f-G-U-C", fire, lon=11.963, s=1), PING)
    client.hears('type="t-x-c-t-r"')
    eventually(lambda: lon_lat(http, "TAK-F1") == [11.963, 57.7], "its own unit")
    assert lon_lat(http, fire) == [11.971, 57.7]
    assert not client.events('uid="geo-backup')
    client.send(event("b-a-o-tbl", "TAK-F1-9-1-1"))
    (standing,) = eventually(lambda: http.get("/v1/emergencies").json()["emergencies"], "an alarm, of nobody's unit")
    assert standing["for_unit_id"] == "tak:TAK-F1"


def test_a_wrong_token_ends_it_and_so_does_one_that_is_revoked(
    http: httpx.Client, guarded: ServerInThread, tak: Tak, authority: Authority
) -> None:
    client = Client(tak.port or 0, authority.client())
    client.send(signing_in("a", "wrong", "ANDROID-1"))
    eventually(lambda: client.read() is not None and client.ended, "the end")
    assert guarded.roster is not None
    token = guarded.roster.tokens.issue("lost", "program", agency="*", roles=("dispatcher",), by="test")
    client = Client(tak.port or 0, authority.client())
    client.send(signing_in("a", token, "ANDROID-1"))
    client.hears('uid="geo-backup.TAK')
    guarded.roster.tokens.revoke("lost", by="test")
    eventually(lambda: client.read() is not None and client.ended, "the end")


def test_what_came_by_tls_before_a_peer_hung_up_is_read(
    http: httpx.Client, tak: Tak, authority: Authority, tokens: dict[str, str]
) -> None:
    unit_id, before = new_unit(http, [11.97, 57.7]), tak.counts["position"]
    client = Client(tak.port or 0, authority.client())
    client.send(signing_in("anybody", tokens["desk"], "ANDROID-1"))
    client.hears(f'uid="geo-backup.{unit_id}"')
    client.send(*(event("a-f-G-U-C", unit_id, s=-30 + m / 100) for m in range(3_000)))
    eventually(lambda: not unsent(client.line), "all of it on its way")
    client.line.close()
    for _ in range(3):
        http.post(f"/v1/incidents/{new_incident(http, agency='police')}/close")
    eventually(lambda: tak.counts["position"] == before + 3_000, "all that it sent")
