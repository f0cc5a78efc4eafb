import { describe, expect, it } from "vitest";
import type { Assignment, Note } from "../wire";
import { callerOf, openCall } from "./readings";

const note = (note_id: string, at: string): Note => ({ note_id, at, by: "device:phone-1", text: "P-17 asks for 2 more, at once" });
const going = (at: string, state = "en_route"): Assignment => ({ unit_id: "P-18", state, at, source: "api" });

describe("an officer's call for backup", () => {
  it("is told by its note's id, which names the unit", () => {
    expect(callerOf(note("call:P-17:b-one", ""))).toBe("P-17");
    expect(callerOf(note("call:agency:7:b-one", ""))).toBe("agency:7");
    expect(callerOf(note("note-3", ""))).toBeUndefined();
  });
  it("waits until somebody is sent after it", () => {
    const notes = [note("call:P-17:one", "2026-11-28T07:00:00Z"), note("n", "2026-11-28T07:01:00Z")];
    expect(openCall({ notes, assignments: [] })?.note_id).toBe("call:P-17:one");
    expect(openCall({ notes, assignments: [going("2026-11-28T06:59:00Z")] })).toBeDefined();
    expect(openCall({ notes, assignments: [going("2026-11-28T07:02:00Z", "on_scene")] })).toBeDefined();
    expect(openCall({ notes, assignments: [going("2026-11-28T07:02:00Z")] })).toBeUndefined();
  });
});
