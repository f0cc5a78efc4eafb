"""Devices over HTTP: given to units, believed by their address or their token, and looked after."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from geo_backup.formats import osmand
from geo_backup.people import ANYONE
from geo_backup.server.hearing import Hearing
from geo_backup.server.intake import Intake
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.sources import Source, Sources
from tests.asking import NORTH, at, new_unit, problem
from tests.running import ServerInThread

names = itertools.count(1)


@pytest.fixture
def intake(server: ServerInThread) -> Intake:
    assert server.node is not None
    return Intake(server.node, None, Quarantine(), Sources())


def hear(server: ServerInThread, intake: Intake, address: str, *messages: dict[str, Any]) -> Hearing:
    """What a receiver does whose way has no secrets."""
    hearing = Hearing(intake, "udp", ANYONE, "", pinned=False)

    async def all_of_them() -> None:
        for said in messages:
            pairs = [(name, str(value)) for name, value in said.items()]
            hearing.read(lambda pairs=pairs: osmand.read(pairs, hearing.now_ms), said, address)
        await hearing.finish()

    assert server._loop is not None
    asyncio.run_coroutine_threadsafe(all_of_them(), server._loop).result(20)
    return hearing


def fix(device: str, n: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": device, "lat": NORTH[1], "lon": NORTH[0] + n / 10_000, "timestamp": at(n), **more}


def standing(http: httpx.Client, *called: str) -> list[dict[str, Any]]:
    rows = http.get("/v1/emergencies").json()["emergencies"]
    return [one for one in rows if one["for_unit_id"] in called]


def ended(http: httpx.Client, *called: str) -> None:
    for one in standing(http, *called):
        end = {"by": "supervisor", "who": "Sgt Berg", "reason": "a test"}
        assert http.post(f"/v1/emergencies/{one['incident_id']}/clear", json=end).is_success


def test_a_device_moves_between_units(http: httpx.Client) -> None:
    car, bike, device = new_unit(http), new_unit(http), f"d{next(names)}"
    assert http.get("/v1/osmand", params=fix(device)).status_code == 404
    for n, unit_id in enumerate((car, bike)):
        given = http.put(f"/v1/devices/{device}", json={"unit_id": unit_id})
        assert given.json()["unit_id"] == unit_id
        assert http.get("/v1/osmand", params=fix(device, n)).status_code == 200
        (shown,) = http.get("/v1/devices", params={"unit_id": unit_id}).json()["devices"]
        assert (shown["device_id"], shown["shown"], shown["way"]) == (device, True, "osmand")
        assert http.get(f"/v1/units/{unit_id}").json()["properties"]["device_id"] == device
    assert http.delete(f"/v1/devices/{device}").status_code == 204
    problem(http.delete(f"/v1/devices/{device}"), 404)
    problem(http.put(f"/v1/devices/{device}", json={"unit_id": "nobody"}), 404)
    assert http.get("/v1/osmand", params=fix(device, 3)).status_code == 404


def test_a_call_for_help_by_a_way_without_secrets_is_unverified(
    http: httpx.Client, server: ServerInThread, intake: Intake
) -> None:
    unit_id, stranger = new_unit(http, NORTH), f"d{next(names)}"
    hear(server, intake, "10.0.0.7", fix(unit_id, alarm="sos"), fix(unit_id, alarm="sos"))
    hear(server, intake, "10.0.0.9", fix(stranger, alarm="sos"))
    calls = standing(http, f"udp:{unit_id}", stranger)
    assert [(one["emergency"]["verified"], one["emergency"]["presses"]) for one in calls] == [(False, 1), (False, 1)]
    assert [one["place_known"] for one in calls] == [True, True]
    assert http.get(f"/v1/units/{unit_id}").json()["properties"]["emergency_id"] is None
    ended(http, f"udp:{unit_id}", stranger)


def test_a_device_is_believed_where_it_is_known_to_speak_from(
    http: httpx.Client, server: ServerInThread, intake: Intake
) -> None:
    unit_id, device = new_unit(http, NORTH), f"d{next(names)}"
    assert http.put(f"/v1/devices/{device}", json={"unit_id": unit_id, "address": "10.0.0.7"}).is_success
    hear(server, intake, "10.0.0.7", fix(device, alarm="sos"))
    (call,) = standing(http, unit_id)
    assert call["emergency"]["verified"]
    ended(http, unit_id)


def test_nobody_takes_the_name_of_a_device_whose_address_is_known(
    http: httpx.Client, server: ServerInThread, intake: Intake
) -> None:
    unit_id, device = new_unit(http), f"d{next(names)}"
    assert http.put(f"/v1/devices/{device}", json={"unit_id": unit_id, "address": "10.0.0.7"}).is_success
    hear(server, intake, "10.0.0.9", fix(device, 3))  # somebody else was first
    hear(server, intake, "10.0.0.7", fix(device, alarm="sos"))
    assert http.get(f"/v1/units/{unit_id}").json()["geometry"]["coordinates"] == NORTH
    assert [one["emergency"]["verified"] for one in standing(http, unit_id)] == [True]
    ended(http, unit_id)


@pytest.mark.parametrize("address", ["modem-7", "10.0.0.7/24", "::ffff:10.0.0.7"])
def test_an_address_is_that_of_one_machine(http: httpx.Client, address: str) -> None:
    unit_id, device = new_unit(http), f"d{next(names)}"
    given = http.put(f"/v1/devices/{device}", json={"unit_id": unit_id, "address": address})
    if address.startswith("::"):  # the same machine, as a socket for both kinds of addresses tells it
        assert given.json()["pinned_address"] == "10.0.0.7"
    else:
        problem(given, 422, "address", "/address")


def test_two_that_speak_as_one_are_told_apart(http: httpx.Client, server: ServerInThread, intake: Intake) -> None:
    unit_id = new_unit(http)
    hear(server, intake, "10.0.0.7", fix(unit_id))
    hear(server, intake, "10.0.0.8", fix(unit_id, 1))
    assert [(one.device, one.reason.split(",")[0]) for one in intake.quarantine.last] == [
        (unit_id, "its former address still speaks")
    ]
    assert "twin" in intake.sources.by_device[unit_id].flags(intake.node.clock.now_ms())


def test_an_address_is_given_up_after_a_minute() -> None:
    sources = Sources()
    assert sources.speaks("d", "udp", "a", "", 0, None)
    assert not sources.speaks("d", "udp", "b", "", 30_000, None)
    assert sources.speaks("d", "udp", "b", "", 61_000, None)
    assert not sources.speaks("d", "udp", "a", "", 62_000, None)
    assert sources.by_device["d"].flags(62_000) == ["address_changed", "twin"]


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ([("udp", 1, 0), ("udp", 2, 1_000), ("udp", 1, 2_000)], ["twin"]),
        ([("tcp", 1, 0), ("tcp", 2, 1_000), ("tcp", 1, 2_000)], ["twin"]),
        ([("udp", 1, 0), ("udp", 1, 1_000), ("udp", 2, 2_000), ("udp", 2, 3_000)], []),
        ([("udp", port, port * 1_000) for port in range(1, 9)], []),
        ([("udp", 1, 0), ("udp", 2, 1_000), ("udp", 2, 62_000), ("udp", 1, 63_000)], []),
        ([("udp", 1, 0), ("tcp", 2, 1_000), ("udp", 1, 2_000), ("tcp", 2, 3_000)], []),
    ],
    ids=["in turns", "in turns by tcp", "dials in again", "a port a datagram", "a port comes round", "by two ways"],
)
def test_two_at_one_address_speak_in_turns_from_two_ports(said: list[tuple[str, int, int]], flags: list[str]) -> None:
    sources = Sources()
    for way, port, now_ms in said:
        assert sources.speaks("d", way, "a", "", now_ms, None, port), "nobody can tell which of them is the right one"
    assert sources.by_device["d"].flags(said[-1][2]) == flags


@pytest.mark.parametrize(
    ("delays_ms", "flags"),
    [
        ([200, 900, 350, 400, 8_000], []),
        ([-61_000, -60_500, -60_800, -59_000, -60_900], ["clock_ahead"]),
        ([3_600_000, 3_600_900, 3_600_400, 3_601_000, 3_600_200], ["clock_behind"]),
        ([3_600_000, 2_700_000, 1_800_000, 900_000, 300_000], []),
    ],
    ids=["right", "ahead", "behind", "kept for an hour and sent at once"],
)
def test_a_wrong_clock_is_told_from_a_slow_line(delays_ms: list[int], flags: list[str]) -> None:
    source = Source()
    source.delays_ms.extend(delays_ms)
    assert source.flags(0) == flags
