"""A client: ask for help at a place, send the unit that is there first, and watch it arrive.

geo-backup demo &
python examples/watch_and_send.py [URL]
"""

import asyncio
import sys

from geo_backup import Client


async def main(url: str) -> None:
    async with Client(url) as client:
        incident = await client.open_incident(11.9668, 57.7072, priority=1, note="officer asks for help")
        incident_id = incident["incident_id"]
        best = (await client.ranking(incident_id, limit=1))["candidates"][0]
        print(f"{best['unit_id']} can be there in {best['eta_s']:.0f} s: sent")
        await client.send(incident_id, best["unit_id"])
        shown = ""
        async for world in client.watch(["incidents", "rankings"]):
            for unit in world.rankings.get(incident_id, {}).get("assigned", []):
                eta = "" if unit["eta_s"] is None else f"{unit['eta_s']:.0f} s"
                if unit["state"] != shown:
                    shown = unit["state"]
                    print(f"{unit['unit_id']} {shown} {eta}")
            if shown == "on_scene":
                break
        await client.call("POST", f"/v1/incidents/{incident_id}/close")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
