"""How many fixes a second come in by a receiver, what the server spends on them, and what is lost?

    python tests/benchmarks/receivers.py [--way udp|tcp|mqtt|tak|http|osmand] [--rate 5000] [--seconds 60]

One server process as a user runs it (`geo-backup serve`, log on disk with synchronous=FULL), on one core. The sender is
a process of its own on another one; so is Mosquitto. Units drive in straight lines, and each fix is a new one. Told
are: fixes sent, heard and in the log, seconds of processor that the server spent on them, and its memory each ten
seconds. `http` is a request of one position (`POST /v1/positions`), `osmand` one in a URL, over 64 connections that are
kept; a connection waits for its answer, so that at a rate that is too high as many are sent as are answered.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import random
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import httpx

from geo_backup.formats import mqtt

TICK_S = 0.01
CLIENTS = 64


def rmc(unit: int, at_s: float, lon: float, lat: float) -> bytes:
    at = time.gmtime(at_s)
    body = (
        f"GPRMC,{at.tm_hour:02d}{at.tm_min:02d}{at.tm_sec:02d}.{int(at_s * 100) % 100:02d},A,"
        f"{int(lat):02d}{lat % 1 * 60:08.5f},N,{int(lon):03d}{lon % 1 * 60:08.5f},E,20.0,90.0,"
        f"{at.tm_mday:02d}{at.tm_mon:02d}{at.tm_year % 100:02d},,,A"
    )
    return f"B{unit} ${body}*{reduce(lambda a, b: a ^ b, body.encode(), 0):02X}\r\n".encode()


def send(way: str, port: int, rate: int, seconds: float, units: int) -> int:
    """Send for so long; how many were sent."""
    ways = {"udp": by_udp, "tcp": by_tcp, "mqtt": by_mqtt, "tak": by_tak, "http": by_http, "osmand": by_osmand}
    put = ways[way](port, units)
    chance = random.Random(1)
    places = [(chance.uniform(11.90, 12.00), chance.uniform(57.67, 57.74)) for _ in range(units)]
    sent, began = 0, time.perf_counter()
    while (gone := time.perf_counter() - began) < seconds:
        due = int(gone * rate)
        while sent < due and time.perf_counter() - began < seconds:
            unit, turn = sent % units, sent // units
            put(unit, time.time(), places[unit][0] + turn * units / rate * 1.5e-4, places[unit][1])
            sent += 1
        time.sleep(TICK_S)
    return sent


Put = Callable[[int, float, float, float], None]


def by_udp(port: int, units: int) -> Put:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    return lambda *fix: void(sender.send(rmc(*fix)))


def by_tcp(port: int, units: int) -> Put:
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    return lambda *fix: lines[fix[0] % len(lines)].sendall(rmc(*fix))


def by_mqtt(port: int, units: int) -> Put:
    """One client that publishes at QoS 1 for all phones, and waits at the end until the broker has all."""
    line = socket.create_connection(("127.0.0.1", port))
    line.sendall(mqtt.connecting("bench", 3, 0, session_s=0, unacknowledged=0))
    taken, sent = [0], [0]

    def drain() -> None:
        while data := line.recv(1 << 20):
            taken[0] += len(data)

    def wait() -> None:
        until_s = time.monotonic() + 60
        while taken[0] < 4 * (sent[0] + 1) and time.monotonic() < until_s:  # a packet of four bytes acknowledges each
            time.sleep(0.01)

    threading.Thread(target=drain, daemon=True).start()
    atexit.register(wait)

    def put(unit: int, at_s: float, lon: float, lat: float) -> None:
        said = {"_type": "location", "tid": "B", "lon": lon, "lat": lat, "tst": round(at_s, 2), "acc": 6, "vel": 36}
        sent[0] += 1
        topic, number = f"owntracks/bench/B{unit}".encode(), sent[0] % 65_535 + 1
        body = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + json.dumps(said).encode()
        line.sendall(bytes((0x32, len(body) & 0x7F | 0x80, len(body) >> 7)) + body)

    return put


def by_tak(port: int, units: int) -> Put:
    """One stream, as a TAK server has it; what comes back is read."""
    line = socket.create_connection(("127.0.0.1", port))

    def drain() -> None:
        while line.recv(1 << 20):
            pass

    threading.Thread(target=drain, daemon=True).start()

    def put(unit: int, at_s: float, lon: float, lat: float) -> None:
        at, stale = stamp(at_s), stamp(at_s + 60)
        line.sendall(
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<event version="2.0" uid="B{unit}"'
            f' type="a-f-G-U-C" how="m-g" time="{at}" start="{at}" stale="{stale}">'
            f'<point lat="{lat}" lon="{lon}" hae="9999999.0" ce="6.0" le="9999999.0"/><detail>'
            f'<takv os="34" version="5.1.0" device="PHONE" platform="ATAK-CIV"/>'
            f'<contact endpoint="*:-1:stcp" callsign="B{unit}"/><uid Droid="B{unit}"/>'
            f'<precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/>'
            f'<status battery="81"/><track course="90.0" speed="10.0"/></detail></event>'.encode()
        )

    return put


def by_http(port: int, units: int) -> Put:
    """One position a request."""
    clients = Clients(port)

    def put(unit: int, at_s: float, lon: float, lat: float) -> None:
        said = {"unit_id": f"B{unit}", "fix_time": stamp(at_s), "lon": lon, "lat": lat, "speed_mps": 10.0}
        body = json.dumps({"positions": [{**said, "course_deg": 90.0, "accuracy_m": 6.0}]}).encode()
        head = f"POST /v1/positions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        clients.ask(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)

    return put


def by_osmand(port: int, units: int) -> Put:
    """One position a request, as OsmAnd sends it."""
    clients = Clients(port)

    def put(unit: int, at_s: float, lon: float, lat: float) -> None:
        query = f"id=B{unit}&timestamp={int(at_s * 1000)}&lat={lat}&lon={lon}&speed=19.4&bearing=90&accuracy=6&batt=81"
        clients.ask(f"GET /v1/osmand?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    return put


class Clients:
    """Connections that are kept, each for one request at a time."""

    def __init__(self, port: int) -> None:
        self._all = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENTS)]
        self._free, self._asked_s = deque(self._all), dict[socket.socket, float]()
        self._answers = selectors.DefaultSelector()
        for one in self._all:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._answers.register(one, selectors.EVENT_READ, bytearray())
        self.took_s: list[float] = []
        atexit.register(self._say)

    def ask(self, request: bytes) -> None:
        """Send a request, as soon as a connection is free for it."""
        while not self._free:
            self._hear()
        one = self._free.popleft()
        self._asked_s[one] = time.perf_counter()
        one.sendall(request)
        self._hear(0.0)

    def _hear(self, timeout_s: float | None = None) -> None:
        for key, _ in self._answers.select(timeout_s):
            line: socket.socket = key.fileobj  # type: ignore[assignment]
            key.data.extend(line.recv(65_536))
            head, ended, body = key.data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if ended and length and len(body) >= int(length[1]):
                assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")), bytes(key.data)
                assert b'"refused":[{' not in body, bytes(body)
                key.data.clear()
                self.took_s.append(time.perf_counter() - self._asked_s.pop(line))
                self._free.append(line)

    def _say(self) -> None:
        while self._asked_s:
            self._hear()
        took_ms = sorted(one * 1e3 for one in self.took_s)
        at = {share: took_ms[int(share * (len(took_ms) - 1))] for share in (0.5, 0.99)}
        print(f"answered after {at[0.5]:.1f} ms (median), {at[0.99]:.1f} ms (p99)", file=sys.stderr)


def stamp(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s * 1000) % 1000:03d}Z"


def void(_: object) -> None:
    pass


def spent(pid: int) -> tuple[float, float]:
    """Seconds of processor and MB of memory of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def figures(url: str, way: str) -> tuple[float, dict[str, float]]:
    lines = httpx.get(f"{url}/metrics", trust_env=False, timeout=30).text.splitlines()
    name = "geo_backup_positions_total" if way == "http" else f'geo_backup_tracker_messages_total{{way="{way}"'
    heard = sum(float(line.split()[1]) for line in lines if line.startswith(name))
    rest = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if f'way="{way}"' in line}
    return heard, rest


def called(url: str, way: str, port: int) -> float | None:
    """Milliseconds until a call for help is told; None by a way that has none."""
    if way in ("mqtt", "http", "osmand"):
        return None
    days, second = divmod(int(time.time()) - 315_964_800, 86_400)
    frame = f">REV01{days // 7:04d}{days % 7}{second:05d}+5772150+0119560000000012;ID=HELP-1<".encode()
    if way == "tak":
        frame = b'<event version="2.0" uid="HELP-1-9-1-1" type="b-a-o-tbl" how="m-g"><detail/></event>'
    began = time.perf_counter()
    kind = socket.SOCK_DGRAM if way == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as line, httpx.Client(base_url=url, trust_env=False) as http:
        line.connect(("127.0.0.1", port))
        line.send(frame)
        while "HELP-1" not in http.get("/v1/emergencies").text and time.perf_counter() - began < 10:
            time.sleep(0.01)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--way", choices=("udp", "tcp", "mqtt", "tak", "http", "osmand"), default="udp")
    ask.add_argument("--rate", type=int, default=5_000)
    ask.add_argument("--seconds", type=float, default=60.0)
    ask.add_argument("--units", type=int, default=2_000)
    paper = "max_inflight_messages 2000,max_queued_messages 100000"
    ask.add_argument("--broker", default=paper, help="Lines for Mosquitto's configuration, with commas between them.")
    ask.add_argument("--send", type=int, help=argparse.SUPPRESS)
    ask.add_argument("--profile", type=Path, help="Write what py-spy sees of the server here.")
    told = ask.parse_args()
    if told.send:
        print(send(told.way, told.send, told.rate, told.seconds, told.units))
        return
    with tempfile.TemporaryDirectory() as folder:
        run(told, Path(folder))


def run(told: argparse.Namespace, folder: Path) -> None:
    from geo_backup.events import PositionReported  # the sender is to start quickly
    from tests.receivers.broker import Broker
    from tests.running import Server, events_in, free_port

    broker = Broker(free_port(), told.broker.replace(",", "\n"))
    port = broker.port
    if told.way == "mqtt":
        broker.start()
    config = folder / "geo.toml"
    modems = "" if told.way == "tak" else "\npanic_events = [1]"
    keys = f'url = "mqtt://127.0.0.1:{port}"' if told.way == "mqtt" else f"port = {port}{modems}"
    by_http = told.way in ("http", "osmand")
    config.write_text("" if by_http else f"[receivers.{told.way}]\n{keys}\n")
    server = Server(folder / "log.sqlite", ("--adopt-unknown", "--config", str(config))).start()
    port = server.port if by_http else port
    assert server.process is not None
    pid = server.process.pid
    try:
        subprocess.run(["taskset", "-a", "-cp", "0", str(pid)], check=True, capture_output=True)
        command = ["taskset", "-c", "1", sys.executable, __file__, "--way", told.way, "--send", str(port)]
        command += ["--rate", str(told.rate), "--units", str(told.units), "--seconds"]
        subprocess.run([*command, "1"], check=True, capture_output=True)
        time.sleep(4)
        before, (cpu_s, mb) = figures(server.url, told.way)[0], spent(pid)
        if told.profile:
            subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("py-spy")),
                    "record",
                    "-d",
                    "15",
                    "-r",
                    "200",
                    "-f",
                    "raw",
                    "-o",
                    str(told.profile),
                    "-p",
                    str(pid),
                ]
            )
        sender = subprocess.Popen([*command, str(told.seconds)], stdout=subprocess.PIPE)
        calm_s = calm = 0.0
        alarm_ms, sizes_mb, began_s = None, list[float](), time.perf_counter()
        moments = sorted([(0.7 * told.seconds, True), *((s, False) for s in range(10, int(told.seconds), 10))])
        for at_s, calls in moments:
            time.sleep(max(began_s + at_s - time.perf_counter(), 0.0))
            if calls:
                calm_s, calm = spent(pid)[0] - cpu_s, figures(server.url, told.way)[0] - before
                alarm_ms = called(server.url, told.way, port)
            else:
                sizes_mb.append(spent(pid)[1])
        sent = int(sender.communicate()[0])
        last, heard = -1.0, figures(server.url, told.way)[0]
        while heard != last:
            time.sleep(1)
            last, (heard, rest) = heard, figures(server.url, told.way)
        after_s, after_mb = spent(pid)
        print(
            f"{told.way}: {sent / told.seconds:,.0f} fixes/s for {told.seconds:g} s: "
            f"{sent:,} sent, {heard - before:,.0f} heard"
        )
        print(
            f"server: {(after_s - cpu_s) / told.seconds:.0%} of one core, {(after_s - cpu_s) / sent * 1e6:.0f} us a fix"
        )
        print(f"  until the call for help {calm_s / calm * 1e6:.0f} us a fix")
        grown = " ".join(f"{one:.0f}" for one in sizes_mb)
        print(f"memory (MB): {mb:.0f} before, each 10 s {grown}, {after_mb:.0f} after")
        kinds = re.findall(r"(Rss\w+):\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        print("  of it " + ", ".join(f"{name} {int(kb) / 1e3:.0f}" for name, kb in kinds))
        if alarm_ms is not None:
            print(f"a call for help amid them: in the list of emergencies after {alarm_ms:.0f} ms")
        for name, value in rest.items():
            print(f"  {name} {value:,.0f}")
        server.stop()
        print(f"fixes in the log: {sum(isinstance(event, PositionReported) for event in events_in(server.log)):,}")
    finally:
        server.stop()
        broker.stop()


if __name__ == "__main__":
    main()
