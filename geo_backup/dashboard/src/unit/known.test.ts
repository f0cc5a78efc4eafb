/** What is kept for a page without a link, what is said of an emergency, and which second tap counts. */
import { describe, expect, it } from "vitest";
import { nothing, type Told } from "../world/merge";
import { words } from "../words/unit";
import { knownOf } from "./known";
import { sure } from "./sure";

it("keeps what is about the unit, with the map's zone, and nothing of others", () => {
  const mine = { incident_id: "I1", for_unit_id: null, assignments: [{ unit_id: "P7" }, { unit_id: "P2" }] };
  const cry = { incident_id: "E1", for_unit_id: "P7", assignments: [] };
  const told = {
    ...nothing(), epoch: "e", seq: 9, area: { timezone: "Europe/Stockholm" },
    units: { P7: { unit_id: "P7", incident_id: "I1" }, P2: { unit_id: "P2" }, P9: { unit_id: "P9" } },
    incidents: { I1: mine, E1: cry, I2: { incident_id: "I2", for_unit_id: "P9", assignments: [] } },
    rankings: { I1: {}, I2: {} },
    messages: {
      m1: { message_id: "m1", recipients: [{ unit_id: "P7", acknowledged_time: null }] },
      m2: { message_id: "m2", recipients: [{ unit_id: "P7", acknowledged_time: "2026-01-01T00:00:00Z" }] },
    },
  } as unknown as Told;
  const known = knownOf(told, "P7");
  expect([known.units, known.incidents, known.rankings, known.messages].map((one) => Object.keys(one))).toEqual([["P7", "P2"], ["I1", "E1"], ["I1"], ["m1"]]);
  expect([known.epoch, known.area?.timezone]).toEqual([null, "Europe/Stockholm"]);
});

describe("an emergency", () => {
  const { standing } = words.emergency;
  it("promises help only where somebody was sent", () => {
    expect(standing(null, [])).toBe("The desk is alarmed. Nobody has answered yet.");
    expect(standing({ by: "desk 1", time: "14:02" }, [])).toBe("Seen by desk 1 at 14:02; nobody is sent yet.");
  });
  it("says who comes and when, whether or not a desk has answered", () => {
    const coming = [{ callsign: "P2", state: "en_route", eta_s: 200 }, { callsign: "P5", state: "assigned", eta_s: null }, { callsign: "P6", state: "on_scene", eta_s: 0 }];
    expect(standing({ by: "desk 1", time: "14:02" }, coming)).toBe("P2 is on the way, in 3:20. P5 is sent, time not known. P6 is there. Seen by desk 1 at 14:02.");
    expect(standing(null, coming.slice(0, 1))).toBe("P2 is on the way, in 3:20.");
  });
});

it("a second tap counts after 600 ms, and for four seconds", () => {
  expect([sure(null, 0), sure(1_000, 1_120), sure(1_000, 1_600), sure(1_000, 5_001)]).toEqual(["begins", "too soon", "does", "begins"]);
});
