"""What a configuration may say of receivers, and the words for what it may not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from geo_backup.errors import BadValueError
from geo_backup.receivers.config import receivers_of
from geo_backup.settings import Config, Settings
from tests.running import GOTHENBURG, ROOT, free_port


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[receivers]\nudp = 5005", "[receivers.udp] udp is a section"),
        ("[receivers.upd]\nport = 1", "[receivers.upd] is no receiver; there are udp, tcp, mqtt, tak"),
        ("[receivers.udp]", "[receivers.udp] port is missing: say where to listen, such as port = 5005"),
        ("[receivers.udp]\nport = 70000", "port is a whole number from 0 to 65,535, not 70000"),
        ("[receivers.tcp]\nport = true", "port is a whole number"),
        (
            "[receivers.udp]\nport = 1\nlalow = []",
            "unknown key `lalow`: did you mean `allow`? Those here are port, allow",
        ),
        ("[receivers.udp]\nprot = 5000", "[receivers.udp] unknown key `prot`: did you mean `port`?"),
        ('[receivers.tcp]\nport = 1\nhost = "0.0.0.0"\nalow = ["10.8.0.0/16"]', "`alow`: did you mean `allow`?"),
        ('[receivers.mqtt]\nulr = "mqtt://a"', "[receivers.mqtt] unknown key `ulr`: did you mean `url`?"),
        ("[receivers.tak]\nprot = 8087", "[receivers.tak] unknown key `prot`: did you mean `port`?"),
        ('[receivers.tak]\nport = 1\ncertificate = "geo.toml"\nkye = "geo.toml"', "`kye`: did you mean `key`?"),
        ('[[receivers.tak.connect]]\nhots = "a"', "[receivers.tak.connect] unknown key `hots`: did you mean `host`?"),
        ("[receivers.udp]\nport = 1\nx = 1", "unknown key `x`: Those here are port, allow, host"),
        ('[receivers.udp]\nport = 1\nhost = "0.0.0.0"', "host 0.0.0.0 is open to other machines; say which"),
        ('[receivers.udp]\nport = 1\nallow = ["10.8.0.1/16"]', 'allow names networks, such as ["10.8.0.0/16"]'),
        ('[receivers.mqtt]\nurl = "broker"', "url names the broker, such as mqtt://127.0.0.1:1883"),
        ('[receivers.mqtt]\nurl = "mqtt://a"\npassword_env = "NOT_THERE"', "export NOT_THERE=..."),
        ('[receivers.mqtt]\nurl = "mqtts://a"\nca = "none.pem"', "there is no such file"),
        ("[receivers.tak]", "port is missing: say where ATAK calls, such as port = 8087, or whom to `connect` to"),
        ('[receivers.tak]\nport = 1\ncertificate = "geo.toml"', "name both, or neither"),
        ('[receivers.tak]\nport = 1\ncertificate = "geo.toml"\nkey = "geo.toml"', "both in PEM"),
        ("[receivers.tak]\nconnect = [1]", "[receivers.tak.connect]"),
        ("[[receivers.tak.connect]]\nport = 1", "[receivers.tak.connect] host is missing: name the server"),
        ('[[receivers.tak.connect]]\nhost = "a"\nsee = "b"', "unknown key `see`: did you mean `sees`?"),
        ('[receivers.udp]\nport = 1\npanic_events = ["1"]', "panic_events is a list of whole numbers from 0 to 99"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path, said: str, words: str) -> None:
    file = tmp_path / "geo.toml"
    file.write_text(said)
    with pytest.raises(BadValueError) as wrong:
        Config.read(file)
    assert words in str(wrong.value)


def test_what_the_paper_shows_is_read(tmp_path: Path) -> None:
    paper = (ROOT / "geo_backup/receivers/README.md").read_text(encoding="utf-8")
    file = tmp_path / "geo.toml"
    shown = re.findall(r"```toml\n(.*?)```", paper, re.DOTALL)
    file.write_text("".join(shown))
    assert [one.way for one in Config.read(file).receivers] == ["udp", "tcp", "mqtt", "tak"]


def test_flags_and_the_file_say_it_once(tmp_path: Path) -> None:
    file = tmp_path / "geo.toml"
    file.write_text('[receivers.udp]\nport = 5005\nallow = ["10.8.0.0/16"]\n')
    settings = Settings.of(GOTHENBURG, str(tmp_path / "log"), config=file)
    (udp,) = settings.config.receivers
    assert (udp.way, udp.visitors.host) == ("udp", "0.0.0.0")
    both = settings.hearing(None, 5006, "mqtt://127.0.0.1", 8087)
    assert [one.way for one in both.config.receivers] == ["udp", "tcp", "mqtt", "tak"]
    with pytest.raises(BadValueError, match="say it once"):
        settings.hearing(5005, None, None)
    with pytest.raises(BadValueError, match="receivers hear what is now"):
        Settings.of(GOTHENBURG, str(tmp_path / "log"), mode="replay").hearing(5005, None, None)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    port = free_port()
    for way in ("udp", "tcp"):
        said: dict[str, Any] = {way: {"port": port}}
        (first,), (second,) = receivers_of(said, tmp_path), receivers_of(said, tmp_path)
        first.bind()
        if way == "tcp":
            first._socket.listen()
        with pytest.raises(BadValueError, match=f"{port} of 127.0.0.1 is in use"):
            second.bind()
