"""Every codec of trackers and nodes under atheris, which looks for bytes that raise what they should not.

    pip install atheris
    python tests/fuzz/codecs.py [-max_total_time=600] [CORPUS_FOLDER]

The first byte chooses the codec. A finding is written to `crash-...` in the working folder; hand it over to try again.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl

import atheris

with atheris.instrument_imports(include=["geo_backup.cluster", "geo_backup.formats", "geo_backup.receivers"]):
    from geo_backup.cluster import messages
    from geo_backup.errors import BadValueError, LogError
    from geo_backup.formats import cot, mqtt, osmand, owntracks, traccar
    from geo_backup.formats.tak_proto import event_of
    from geo_backup.formats.tak_stream import Splitter
    from geo_backup.receivers.avl import Avl, Modem
    from geo_backup.receivers.mqtt import said
    from geo_backup.receivers.section import Section
    from geo_backup.wire.body import parse

NOW_MS = 1_795_435_200_000
AVL = Avl(Section("udp", {"panic_events": [1], "leap_s": 18}, Path()))


def modems(data: bytes) -> None:
    for one in AVL.read(data, Modem("10.8.0.7"), NOW_MS):
        one.text.encode()


def posted(data: bytes) -> None:
    document = parse(data)
    for read in (owntracks.read, traccar.read, lambda it: osmand.read_json(it, NOW_MS)):
        with suppress(BadValueError):
            read(document)


def streamed(data: bytes) -> None:
    """A TAK stream of either version, in two parts."""
    splitter = Splitter(1_000)
    splitter.version = 1 if data[:1] == b"\xbf" else 0
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        for message in splitter.feed(part):
            if message.kind == "proto":
                with suppress(BadValueError):
                    event_of(message.data)
            elif message.kind == "event":
                with suppress(BadValueError):
                    cot.parse(message.data)
    assert len(splitter) < 20_000, "it holds more than a message"


def shared(data: bytes) -> None:
    """A message of the log that nodes share."""
    if not messages.referred(data):
        with suppress(BadValueError, LogError):
            messages.parsed(data)


def from_broker(data: bytes) -> None:
    """What a broker sends, in two parts, by either version of MQTT."""
    packets = mqtt.Packets()
    version: mqtt.Version = 5 if data[:1] < b"\x80" else 3
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        for packet in packets.feed(part):
            with suppress(BadValueError):
                mqtt.message_of(packet, version)
            with suppress(BadValueError):
                mqtt.refusal_of(packet, version)


CODECS = (
    modems,
    posted,
    streamed,
    lambda data: said("owntracks/anna/phone", data),
    lambda data: osmand.read(parse_qsl(data.decode(errors="replace")), NOW_MS),
    cot.parse,
    shared,
    from_broker,
)


def one_input(data: bytes) -> None:
    if data:
        with suppress(BadValueError, json.JSONDecodeError):
            CODECS[data[0] % len(CODECS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
