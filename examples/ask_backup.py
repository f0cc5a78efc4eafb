"""Ask a running server for backup, send the units that it recommends, and say why.

geo-backup demo --no-browser &
python examples/ask_backup.py http://127.0.0.1:8000
"""

import asyncio
import sys

from geo_backup import Client


async def main(url: str) -> None:
    async with Client(url) as client:
        incident = await client.open_incident(11.97, 57.70, priority=1, note="example")
        incident_id = incident["incident_id"]
        answer = await client.ask_backup(incident_id, "immediate", units=3)
        for unit in answer["units"]:
            print(f"{unit['unit_id']}: {unit['eta_s']:.0f} s, first with {unit['p_first']:.0%} {unit['price_words']}")
        async for world in client.watch():  # the best set follows in the log; the incident names it
            recommended = world.incidents[incident_id]["recommended"]
            if recommended is not None and recommended["stage"] == "refined":
                break
        for unit in recommended["units"]:
            await client.send(incident_id, unit["unit_id"])
        print((await client.decision(recommended["decision_id"]))["words"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
