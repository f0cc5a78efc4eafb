"""Is the right place found? Real addresses and crossings of a town, written as people write them.

    python tests/benchmarks/places.py [EXTRACT.osm.pbf ...] [--count 300] [--seed 1] [--misses]

For each extract a map is built, and so many addresses and crossings are drawn from the extract's own tags, read here
by pyosmium and not by the program. Each is then written as somebody in a hurry would: the kind of street shortened,
accents left out, one letter wrong, the order turned. What people shorten is listed here anew: nothing of this is shared
with the code under test. The text is all that is given; the map's middle is where it is asked from.

An answer is right within 50 m of any object of the extract that bears the very words that were drawn: two streets of
one name that both have a number 12 are both right, for nobody could tell them apart by the words. Times are of the
processor, for the machine may be busy.

Without extracts: Porto's centre, Heidelberg and Baltimore from the test data.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import tempfile
import time
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import osmium

from geo_backup.cartography.build import build_map
from geo_backup.places import Gazetteer
from geo_backup.roads.network import RoadNetwork

DATA = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
TOWNS = ("porto-centre", "heidelberg", "baltimore")
WITHIN_M = 50.0

SHORT: dict[str, str] = {
    # Portuguese
    "Rua": "R. R", "Avenida": "Av. Av Avª", "Praça": "Pç. Pr. Pca", "Travessa": "Trav. Tv.", "Largo": "Lg. Lgo",
    "Doutor": "Dr. Dr", "Professor": "Prof.", "Engenheiro": "Eng.", "Santa": "Sta. Sta", "Santo": "Sto.", "São": "S.",
    "Dom": "D.", "Calçada": "Cç.", "General": "Gen.", "Estrada": "Estr.",
    # German
    "Straße": "Str. Strasse Str", "Platz": "Pl.", "Sankt": "St.", "Große": "Gr.",
    # English
    "Street": "St St. Str", "Avenue": "Ave Av Ave.", "Road": "Rd Rd.", "Boulevard": "Blvd Bvd Bd", "Drive": "Dr",
    "Lane": "Ln", "Court": "Ct", "Place": "Pl Pl.", "Highway": "Hwy", "Square": "Sq", "North": "N N.", "South": "S S.",
    "East": "E E.", "West": "W", "Saint": "St. St", "Parkway": "Pkwy",
    # French, Italian, Spanish, Dutch, Swedish
    "Rue": "R.", "Sainte": "Ste", "Chemin": "Ch.", "Impasse": "Imp.", "Via": "V.", "Piazza": "P.za", "Viale": "V.le",
    "Calle": "C/ C.", "Plaza": "Pl. Pza.", "Straat": "Str.",
}  # fmt: skip
ENDS = {"straße": ["str.", "strasse", "str"], "platz": ["pl."], "straat": ["str."], "gatan": ["g."], "vägen": ["v."]}
BETWEEN = {
    "pt": [" x ", " & ", " com ", " e ", " esquina ", " / "],
    "de": [" x ", " & ", " Ecke ", " und ", "/", " / "],
    "fr": [" x ", " & ", " et ", " angle ", " / "],
    "en": [" & ", " and ", " at ", " x ", " / ", "/"],
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Drawn:
    """Something of the extract: its parts as they are tagged, and every place that bears them."""

    kind: str
    parts: tuple[str, str]
    """Street and number, or the two streets."""
    places: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Written:
    """How somebody wrote it, and what was done to it."""

    text: str
    forms: tuple[str, ...]
    drawn: Drawn


def extract(path: Path) -> tuple[list[Drawn], list[Drawn]]:
    """All addresses and all crossings of a file."""
    houses: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    streets: dict[int, set[str]] = defaultdict(set)
    where: dict[int, tuple[float, float]] = {}
    for thing in osmium.FileProcessor(str(path)).with_locations():
        tags = thing.tags
        if "addr:housenumber" in tags and "addr:street" in tags:
            spot = None
            if thing.is_node():
                spot = thing.location.lon, thing.location.lat
            elif thing.is_way():
                ring = [(n.location.lon, n.location.lat) for n in thing.nodes if n.location.valid()]
                if ring:
                    spot = (
                        (min(x for x, _ in ring) + max(x for x, _ in ring)) / 2,
                        (min(y for _, y in ring) + max(y for _, y in ring)) / 2,
                    )
            number, street = tags["addr:housenumber"].strip(), " ".join(tags["addr:street"].split())
            if spot and number[:1].isdigit() and all(mark not in number for mark in ",;") and ";" not in street:
                houses[street, number].append(spot)
        if thing.is_way() and "highway" in tags and "name" in tags and ";" not in tags["name"]:
            for node in thing.nodes:
                if node.location.valid():
                    streets[node.ref].add(" ".join(tags["name"].split()))
                    where[node.ref] = node.location.lon, node.location.lat
    met: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for node, names in streets.items():
        for a in names:
            for b in names:
                if a < b:
                    met[a, b].append(where[node])
    return (
        [Drawn("address", parts, tuple(places)) for parts, places in sorted(houses.items())],
        [Drawn("crossing", parts, tuple(places)) for parts, places in sorted(met.items())],
    )


def shortened(name: str, rng: random.Random) -> str:
    """A street's name with its kind and titles as people shorten them."""
    words = []
    for word in name.split():
        if word in SHORT:
            word = rng.choice(SHORT[word].split())
        else:
            for end, others in ENDS.items():
                if word.endswith(end) and len(word) > len(end) + 2:
                    word = word[: -len(end)] + rng.choice(others)
        words.append(word)
    return " ".join(words)


def bare(text: str) -> str:
    """Without accents."""
    text = text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O").replace("ł", "l")
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def mistyped(name: str, rng: random.Random) -> str | None:
    """One letter left out, put in, changed or swapped in one of the longer words; None where there is none."""
    words = name.split()
    long = [
        i for i, word in enumerate(words) if sum(c.isalpha() for c in word) >= 5 and not any(c.isdigit() for c in word)
    ]
    if not long:
        return None
    at = rng.choice(long)
    word = words[at]
    i = rng.randrange(1, len(word) - 1)
    kind = rng.choice(("drop", "add", "change", "swap"))
    letter = rng.choice(LETTERS)
    words[at] = {
        "drop": word[:i] + word[i + 1 :],
        "add": word[:i] + letter + word[i:],
        "change": word[:i] + letter + word[i + 1 :],
        "swap": word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :],
    }[kind]
    return " ".join(words) if words[at] != word else None


def written(drawn: Drawn, country: str, rng: random.Random) -> Written:
    """As somebody in a hurry writes it."""
    a, b = drawn.parts
    forms = []
    wrong = None
    if rng.random() < 0.4:
        first = rng.random() < 0.5 or drawn.kind == "address"
        wrong = mistyped(a if first else b, rng)
        if wrong is not None:
            forms.append("typo")
            a, b = (wrong, b) if first else (a, wrong)
    if rng.random() < 0.6:
        short = shortened(a, rng), shortened(b, rng) if drawn.kind == "crossing" else b
        if short != (a, b):
            forms.append("short")
            a, b = short
    turned = rng.random() < 0.4
    if turned:
        forms.append("turned")
    if drawn.kind == "address":
        text = f"{b} {a}" if turned else f"{a}{rng.choice((' ', ', '))}{b}"
    else:
        text = rng.choice(BETWEEN[country]).join((b, a) if turned else (a, b))
    if rng.random() < 0.6:
        if bare(text) != text:
            forms.append("bare")
        text = bare(text)
    if rng.random() < 0.6:
        text = text.lower()
    return Written(text, tuple(forms), drawn)


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """On a sphere."""
    x = math.radians(b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return 6_371_000 * math.hypot(x, math.radians(b[1] - a[1]))


def country_of(path: Path) -> str:
    """Whose words stand between two streets."""
    for country, towns in (("pt", ("porto",)), ("de", ("heidelb", "rhine", "liecht")), ("fr", ("monaco",))):
        if any(town in path.name for town in towns):
            return country
    return "en"


@dataclass
class Score:
    """How many were found, first and among the first three, by what was done to them."""

    asked: int
    first: int
    third: int
    by_form: dict[str, tuple[int, int]]
    misses: list[str]


def score(gazetteer: Gazetteer, texts: list[Written]) -> Score:
    """Ask for each, from the middle of the map."""
    out = Score(len(texts), 0, 0, {}, [])
    for one in texts:
        found = gazetteer.find(one.text, limit=10).found
        right = [
            rank
            for rank, place in enumerate(found)
            if any(metres((place.lon, place.lat), spot) <= WITHIN_M for spot in one.drawn.places)
        ]
        best = right[0] if right else 99
        out.first += best == 0
        out.third += best < 3
        for form in (one.drawn.kind, *(one.forms or ("as it is",))):
            many, good = out.by_form.get(form, (0, 0))
            out.by_form[form] = many + 1, good + (best == 0)
        if best:
            said = "; ".join(f"{place.name} [{place.matched} {place.missing}]" for place in found[:3])
            out.misses.append(f"{one.text!r} = {one.drawn.parts}: at {best if best < 99 else 'none'} of: {said}")
    return out


def draw(path: Path, count: int, seed: int) -> list[Written]:
    """So many of an extract, half of them addresses where it has enough."""
    rng = random.Random(f"{path.name} {seed}")
    houses, crossings = extract(path)
    some = rng.sample(houses, min(len(houses), count // 2))
    some += rng.sample(crossings, min(len(crossings), count - len(some)))
    country = country_of(path)
    return [written(drawn, country, rng) for drawn in some]


def keystrokes(gazetteer: Gazetteer, texts: list[Written]) -> list[float]:
    """Milliseconds of each text's every beginning, as it is typed."""
    took = []
    for one in texts:
        for end in range(1, len(one.text) + 1):
            began = time.thread_time()
            gazetteer.find(one.text[:end], limit=8)
            took.append((time.thread_time() - began) * 1e3)
    return took


def names(gazetteer: Gazetteer, network: RoadNetwork, count: int) -> list[float]:
    """Milliseconds of naming places anywhere on the map, each for the first time."""
    rng = random.Random(1)
    west, south, east, north = network.area.extent
    gazetteer.name((west + east) / 2, (south + north) / 2)
    took = []
    for _ in range(count):
        lon, lat = rng.uniform(west, east), rng.uniform(south, north)
        began = time.thread_time()
        gazetteer.name(lon, lat)
        took.append((time.thread_time() - began) * 1e3)
    return took


def tail(took: list[float]) -> str:
    """Median, 99th in a hundred, the slowest."""
    return f"{statistics.median(took):.2f} / {statistics.quantiles(took, n=100)[98]:.2f} / {max(took):.2f} ms"


def main() -> None:
    """Print the figures of each extract."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--misses", action="store_true", help="say what was not found first")
    asked = parser.parse_args()
    extracts = asked.extracts or [DATA / "maps" / f"{town}.osm.pbf" for town in TOWNS]
    with tempfile.TemporaryDirectory() as folder:
        for path in extracts:
            out = Path(folder) / path.name.split(".")[0]
            summary = build_map(path, out, tiles=False)
            network = RoadNetwork.load(out)
            gazetteer = Gazetteer(network)
            texts = draw(path, asked.count, asked.seed)
            found = score(gazetteer, texts)
            size = (out / "places.sqlite").stat().st_size / 1e6
            print(f"{path.name}: {summary.streets} streets, {summary.crossings} crossings, "
                  f"{summary.house_numbers} house numbers, {size:.2f} MB")  # fmt: skip
            print(f"  right place first {found.first / found.asked:.1%}, within the first three "
                  f"{found.third / found.asked:.1%} of {found.asked}")  # fmt: skip
            print("  " + ", ".join(f"{form} {good}/{many}" for form, (many, good) in sorted(found.by_form.items())))
            print(f"  a keystroke (median / p99 / slowest): {tail(keystrokes(gazetteer, texts[::4]))}")
            print(f"  a name: {tail(names(gazetteer, network, 2_000))}")
            if asked.misses:
                print("\n".join(f"    {miss}" for miss in found.misses))


if __name__ == "__main__":
    main()
