"""What modems and phones send, message by message: bytes in, `Heard` or `BadValueError` out, never anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats import taip
from geo_backup.formats.heard import Heard
from geo_backup.formats.nmea_live import Stream
from geo_backup.receivers.avl import Avl, Modem
from geo_backup.receivers.mqtt import said
from geo_backup.receivers.section import Section

NOON = 1_795_435_200_000
"""2026-11-23T12:00:00Z."""
RMC = "$GNRMC,120000.00,A,3748.0000,N,12216.2000,W,24.3,84.0,231126,,,A*51"
RPV = ">RPV43200+3780000-1222700002808412;ID=0007;*79<"


def test_an_rmc_moves_and_its_gga_lends_the_accuracy() -> None:
    stream = Stream()
    heard = stream.hear(f"0007 {RMC}", NOON + 500, ("10.8.0.7",))
    assert heard is not None
    assert heard.names == ("0007", "10.8.0.7")
    assert heard.fix == Fix(NOON, pytest.approx(-122.27), pytest.approx(37.8), pytest.approx(12.501), 84.0, None)
    gga = "$GNGGA,120001.00,3748.0000,N,12216.2000,W,1,08,1.2,5,M,,M,,"
    assert stream.hear(gga, NOON + 1_100) is None, "an RMC comes for this second too"
    later = stream.hear(RMC.replace("120000.00", "120001.00")[:-3], NOON + 1_500)
    assert later is not None
    assert later.fix is not None
    assert (later.fix.fix_ms, later.fix.accuracy_m) == (NOON + 1_000, 6.0)


def test_a_modem_that_sends_no_rmc_moves_by_gga() -> None:
    heard = Stream().hear("$GPGGA,115959,3748.0,N,12216.2,W,1,08,1.2,5,M,,M,,", NOON + 60_000)
    assert heard is not None
    assert heard.fix == Fix(NOON - 1_000, pytest.approx(-122.27), pytest.approx(37.8), None, None, 6.0)
    early = Stream().hear("$GPGGA,235959,3748.0,N,12216.2,W,1,08,1.2,5,M,,M,,", NOON + 12 * 3_600_000 + 2_000)
    assert early is not None
    assert early.fix is not None
    assert early.fix.fix_ms == NOON + 12 * 3_600_000 - 1_000, "it was before midnight"


def test_a_receiver_that_has_lost_count_of_the_weeks_is_put_right() -> None:
    heard = Stream().hear("$GPRMC,120000,A,3748.0,N,12216.2,W,0,0,090407,,,A", NOON)
    assert heard is not None
    assert heard.fix is not None
    assert heard.fix.fix_ms == NOON


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (RMC.replace("37", "38"), "/sentence"),
        ("$GPRMC,250000,A,3748.0,N,12216.2,W,0,0,231126,,,A", "/time"),
        ("$GPRMC,120000,A,3768.0,N,12216.2,W,0,0,231126,,,A", "/lat"),
        ("$GPRMC,120000,A,3748.0,N,12216.2,X,0,0,231126,,,A", "/lon"),
        ("$GPRMC,120000,A,3748.0,N,12216.2,W,0,0,311326,,,A", "/time"),
        ("hello", "/sentence"),
    ],
)
def test_a_sentence_that_is_garbled_says_where(line: str, field: str) -> None:
    with suppress(BadValueError):
        heard = Stream().hear(line, NOON)
        assert heard is not None
        assert heard.fix is None
        assert heard.nothing.startswith(f"{field}:")
        return
    with pytest.raises(BadValueError) as wrong:
        Stream().hear(line, NOON)
    assert wrong.value.field == field


def test_a_receiver_without_a_fix_is_no_fault() -> None:
    heard = Stream().hear("$GPRMC,120001.00,V,,,,,,,231126,,,N*7A", NOON, ("a",))
    assert heard is not None
    assert (heard.fix, heard.wrong) == (None, "")
    nothing, _ = taip.hear(">RPV43200+3780000-1222700002808490;ID=0007<", NOON)
    assert nothing is not None
    assert (nothing.fix, nothing.wrong) == (None, "")


def test_taip_reports_calls_and_acknowledgements() -> None:
    heard, answer = taip.hear(RPV, NOON + 800)
    assert heard == Heard(("0007",), Fix(NOON, -122.27, 37.8, pytest.approx(12.51712), 84.0))
    assert answer == ""
    call = ">REV012446143200+3780000-1222700002808412;ID=0007;#00A1<"
    heard, answer = taip.hear(call, NOON, panic_events=frozenset((1,)))
    assert heard is not None
    assert heard.pressed
    assert heard.fix is not None
    assert heard.fix.fix_ms == NOON
    assert answer == ">ACK;ID=0007;#00A1;*02<"
    assert taip.hear(">RID0007;ID=0007;#IP0<", NOON) == (None, ">SAK;ID=0007;#IP0<")


PIECES = st.sampled_from(
    [
        RMC,
        RPV,
        "$",
        ">",
        "<",
        "*",
        ",",
        ";ID=",
        ";#1",
        "\\s:a*00\\",
        "RMC",
        "RPV",
        "\r\n",
        "\0",
        "9" * 30,
        "é",
        "٣",
        "A",
        "-",
    ]
)
LINES = st.binary(max_size=80) | st.lists(PIECES, max_size=12).map(
    lambda parts: "".join(parts).encode("utf-8", "replace")
)


@given(LINES, st.integers(0, 250), st.integers(0, 255))
def test_no_bytes_of_a_modem_are_a_fault(noise: bytes, at: int, byte: int) -> None:
    avl = Avl(Section("udp", {"panic_events": [1], "leap_s": 18}, Path()))
    modem = Modem("10.8.0.7")
    bent = bytearray(f"a {RMC}\r\n{RPV}".encode())
    bent[at % len(bent)] = byte
    for data in (noise, bytes(bent), noise + bytes(bent)):
        for one in avl.read(data, modem, NOON):
            assert isinstance(one.heard, (Heard, BadValueError))
            one.text.encode("utf-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["lat", "lon", "tst", "tid"]), inner),
    max_leaves=6,
)


@given(st.text(max_size=20), st.binary(max_size=60), JSON, JSON)
def test_no_message_of_a_phone_is_a_fault(topic: str, noise: bytes, lon: Any, whole: Any) -> None:
    location = {"_type": "location", "lat": 1, "lon": lon, "tst": lon, "vel": whole, "tid": whole}
    for payload in (noise, json.dumps(whole).encode(), json.dumps(location).encode()):
        with suppress(BadValueError):
            assert isinstance(said(topic, payload), Heard | None)
