"""Area: what is said of the place that a map shows, and the finished network that carries it."""

from __future__ import annotations

import numpy as np

from geo_backup.cartography.assembly import Assembled
from geo_backup.cartography.restrictions import HOLDING, OUTCOMES
from geo_backup.geodesy import wrap_lon_deg
from geo_backup.roads.network import ARRAYS, Area, RoadNetwork, content_id

LEFT_DRIVING = frozenset(
    {
        "Europe/London", "Europe/Belfast", "Europe/Dublin", "Europe/Jersey", "Europe/Guernsey", "Europe/Isle_of_Man",
        "Europe/Malta", "Asia/Nicosia", "Asia/Famagusta", "Asia/Tokyo", "Asia/Kolkata", "Asia/Colombo",
        "Asia/Karachi", "Asia/Dhaka", "Asia/Kathmandu", "Asia/Thimphu", "Asia/Bangkok", "Asia/Singapore",
        "Asia/Kuala_Lumpur", "Asia/Kuching", "Asia/Brunei", "Asia/Jakarta", "Asia/Makassar", "Asia/Pontianak",
        "Asia/Jayapura", "Asia/Dili", "Asia/Hong_Kong", "Asia/Macau", "Indian/Maldives", "Indian/Mauritius",
        "Indian/Mahe", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Fiji", "Pacific/Port_Moresby",
        "Pacific/Bougainville", "Pacific/Guadalcanal", "Pacific/Tongatapu", "Pacific/Apia", "Africa/Johannesburg",
        "Africa/Maseru", "Africa/Mbabane", "Africa/Gaborone", "Africa/Windhoek", "Africa/Harare", "Africa/Lusaka",
        "Africa/Blantyre", "Africa/Maputo", "Africa/Dar_es_Salaam", "Africa/Nairobi", "Africa/Kampala",
        "America/Jamaica", "America/Barbados", "America/Nassau", "America/Port_of_Spain", "America/Guyana",
        "America/Paramaribo", "America/Antigua", "America/Dominica", "America/Grenada", "America/St_Kitts",
        "America/St_Lucia", "America/St_Vincent", "America/Cayman", "America/Anguilla", "America/Montserrat",
        "America/Tortola", "America/St_Thomas", "America/Grand_Turk", "Atlantic/Bermuda", "Atlantic/Stanley",
        "Atlantic/St_Helena",
    }
)  # fmt: skip
"""Timezones whose countries drive on the left; the zones of Australia are meant too."""


def network_of(
    assembled: Assembled, *, name: str, source: str, source_date: str, licence: str, attribution: str
) -> RoadNetwork:
    """Freeze assembled arrays into a network, with what is said of its area."""
    arrays = {
        key: np.ascontiguousarray(assembled.arrays[key], dtype=np.dtype(f"<{kind}")) for key, kind in ARRAYS.items()
    }
    extent = assembled.extent
    timezone = timezone_at((extent[0] + extent[2]) / 2.0, (extent[1] + extent[3]) / 2.0)
    of = {key: assembled.counts[f"restrictions_{key}"] for key in OUTCOMES}
    total, holding = sum(of.values()), sum(of[key] for key in HOLDING)
    area = Area(
        name=name,
        source=source,
        source_date=source_date,
        licence=licence,
        attribution=attribution,
        timezone=timezone,
        extent=extent,
        drives_on="left" if timezone in LEFT_DRIVING or timezone.startswith("Australia/") else "right",
        turn_restrictions=f"{holding} of {total} applied" if total else "none in the source",
    )
    network = RoadNetwork(
        **arrays,
        names=assembled.names,
        area=area,
        content_id=content_id(arrays, assembled.names),
        folder=None,
        vertex_node=assembled.vertex_node,
    )
    network.check()
    return network


def timezone_at(lon: float, lat: float) -> str:
    """IANA name of the timezone of a place; UTC on the open sea."""
    from tzfpy import get_tz

    return str(get_tz(wrap_lon_deg(lon) if abs(lon) > 180.0 else lon, lat) or "UTC")
