"""The messages of a stream and its address: what goes in comes out, and nothing else is taken."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.cluster import messages
from geo_backup.cluster.address import address_of, is_shared
from geo_backup.errors import BadValueError, LogError
from tests.conformance.event_log import fact, ping, registered


@pytest.mark.parametrize("count", [1, 200])
def test_what_nodes_say_comes_out_as_it_went_in(count: int) -> None:
    events = [registered("ø 7"), *(ping("P1", n) for n in range(count)), fact(1, "told")]
    data = messages.message("me", "a log", [(1, 0, messages.packed(events)), (2, 7, messages.packed([fact(2)]))])
    assert messages.parsed(data) == ("me", "a log", [(1, 0, events), (2, 7, [fact(2)])])
    assert len(data) < 100 * count + 1_000


def test_what_cannot_be_recorded_is_not_said() -> None:
    with pytest.raises(LogError):
        messages.packed([replace(fact(1), at_ms="now")])  # type: ignore[arg-type]


@given(st.one_of(st.binary(max_size=200), st.builds(lambda data: b"z" + zlib.compress(data), st.binary(max_size=200))))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadValueError):
        messages.parsed(data)


def _several(one: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(["node", "said", "fact", "x"]), one, max_size=3)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), _several, max_leaves=12))
def test_any_other_json_is_refused(document: object) -> None:
    try:
        data = orjson.dumps(document)
    except TypeError:  # a number beyond 64 bits
        return
    with suppress(BadValueError, LogError):
        assert all(not saying.events for saying in messages.parsed(data).sayings)


def test_a_bomb_is_not_inflated() -> None:
    with pytest.raises(BadValueError):
        messages.parsed(b"z" + zlib.compress(bytes(messages.INFLATED_MAX + 1), 9))


def test_a_message_that_is_kept_elsewhere_says_where() -> None:
    assert messages.referred(messages.reference([3, 4])) == [3, 4]
    assert messages.referred(messages.message("me", "a log", [])) == []
    assert messages.referred(b'{"parts":["a"]}') == messages.referred(b'{"parts":[1') == []


def test_an_address_names_servers_area_and_replicas() -> None:
    address = address_of("nats://me:secret@10.0.0.1,10.0.0.2:4300/porto?replicas=3")
    assert address.servers == ("nats://me:secret@10.0.0.1", "nats://me:secret@10.0.0.2:4300")
    assert (address.area, address.replicas, address.stream) == ("porto", 3, "geo_backup_porto")
    assert "secret" not in str(address)
    assert str(address) == "nats://10.0.0.1,10.0.0.2:4300/porto"
    assert [is_shared(url) for url in ("nats://a/b", "tls://a/b")] == [True, True]
    assert [is_shared(url) for url in ("porto.sqlite", "sqlite:///porto.sqlite")] == [False, False]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nats:///porto", "names no server"),
        ("nats://10.0.0.1", "names no area"),
        ("nats://10.0.0.1/por to", "names no area"),
        ("nats://10.0.0.1/a.b", "names no area"),
        ("nats://10.0.0.1:x/porto", "no host with a port"),
        ("nats://10.0.0.1:99999/porto", "no host with a port"),
        ("nats://10.0.0.1/porto?replicas=2", "1, 3 or 5"),
        ("nats://10.0.0.1/porto?copies=2", "'copies' is not known"),
    ],
)
def test_a_bad_address_is_said_with_the_remedy(url: str, words: str) -> None:
    with pytest.raises(BadValueError, match=words):
        address_of(url)


def test_credentials_that_are_not_there_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEO_BACKUP_NATS_CREDS", "/nowhere/to/be.found")
    with pytest.raises(BadValueError, match="GEO_BACKUP_NATS_CREDS"):
        address_of("nats://10.0.0.1/porto")
