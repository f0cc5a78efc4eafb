/** The command line: what each line means, what it may become, and why it means nothing. */
import { describe, expect, it } from "vitest";
import { statusKeys, statuses, verbs } from "../words/commands";
import { COMMANDS, meantAsOrder, parted, read, type Known, type Name } from "./commands";
import { typed } from "./typed";

const unit = (unit_id: string, callsign: string, agency = "police") => ({ unit_id, callsign, agency });
const known: Known = {
  units: [unit("U17", "P-17"), unit("U18", "P-18"), unit("U1", "P-1"), unit("F3", "Ladder 3", "fire"), unit("A9", "M-9", "red"), unit("B9", "M-9", "blue"), unit("S7", "7", "staff")],
  incidents: [
    { incident_id: "I-ROBBER", tag: 1, title: "Robbery" },
    { incident_id: "I-NHTEBN", tag: 2, title: "Fire in a café" },
    { incident_id: "I-FIRETW", tag: 12, title: "Fire" },
  ],
  ranked: ["U18", "F3"],
  incident: "I-ROBBER",
  unit: "U1",
  may: () => true,
  past: false,
};
const order = (line: string, of = known) => {
  const { name, units, incident, text, number } = read(line, of).order ?? {};
  return { name, ...(units?.length ? { units } : {}), ...(incident ? { incident } : {}), ...(text ? { text } : {}), ...(number ? { number } : {}) };
};
const trouble = (line: string, of = known) => {
  const { what, word, may } = read(line, of).trouble!;
  return [what, word, ...may];
};

describe("a line", () => {
  it.each([
    ["p17 os", { name: "status", units: ["U17"], text: "on_scene" }],
    ["P-17 on scene", { name: "status", units: ["U17"], text: "on_scene" }],
    ["p17 p18 av", { name: "status", units: ["U17", "U18"], text: "available" }],
    ["ladder3 out of service", { name: "status", units: ["F3"], text: "out_of_service" }],
    ["p17", { name: "show", units: ["U17"] }],
    ["send p17 p18 to #2", { name: "send", units: ["U17", "U18"], incident: "I-NHTEBN" }],
    ["send p17 1", { name: "send", units: ["U17", "U18"], incident: "I-ROBBER" }],
    ["send 2 to 1", { name: "send", units: ["F3"], incident: "I-ROBBER" }],
    ["send 1 2 #1", { name: "send", units: ["U18", "F3"], incident: "I-ROBBER" }],
    ["send p17 for robb", { name: "send", units: ["U17"], incident: "I-ROBBER" }],
    ["send p17 #nhtebn", { name: "send", units: ["U17"], incident: "I-NHTEBN" }],
    ["send p17 to cafe", { name: "send", units: ["U17"], incident: "I-NHTEBN" }],
    ["send all", { name: "set", incident: "I-ROBBER" }],
    ["send set to #2", { name: "set", incident: "I-NHTEBN" }],
    ["replace p18 by p17 on #2", { name: "replace", units: ["U18", "U17"], incident: "I-NHTEBN" }],
    ["where formosa 12", { name: "where", text: "formosa 12" }],
    ["close ponte luiz", { name: "close", text: "ponte luiz" }],
    ["new formosa 12 shots fired", { name: "new", text: "formosa 12 shots fired" }],
    ["new", { name: "new" }],
    ["note two men, one #2", { name: "note", incident: "I-ROBBER", text: "two men, one #2" }],
    ["note #2 two men", { name: "note", incident: "I-NHTEBN", text: "two men" }],
    ["msg p17 use the gate to #2", { name: "message", units: ["U17"], text: "use the gate to #2" }],
    ["msg p17 ladder3 call in", { name: "message", units: ["U17", "F3"], text: "call in" }],
    ["msg #2 two dogs in the yard", { name: "message", incident: "I-NHTEBN", text: "two dogs in the yard" }],
    ["msg all storm at 18:00", { name: "message", text: "storm at 18:00" }],
    ["msg p17 urgent come back", { name: "urgent", units: ["U17"], text: "come back" }],
    ["msg all Urgent: come back", { name: "urgent", text: "come back" }],
    ["urgent p17 leave the house", { name: "urgent", units: ["U17"], text: "leave the house" }],
    ["backup", { name: "backup", incident: "I-ROBBER" }],
    ["planned 45 #2", { name: "planned", incident: "I-NHTEBN", number: 45 }],
    ["level 2", { name: "level", incident: "I-ROBBER", number: 2 }],
    ["priority 3 #12", { name: "priority", incident: "I-FIRETW", number: 3 }],
    ["reopen robbery formosa", { name: "reopen", text: "robbery formosa" }],
    ["emergency p17", { name: "emergency", units: ["U17"] }],
    ["near", { name: "near", units: ["U1"] }],
    ["ACK", { name: "ack" }],
    ["units police free", { name: "units", text: "police free" }],
  ])("%s", (line, means) => expect(order(line)).toEqual(means));

  it.each([
    ["p1 os", { name: "status", units: ["U1"], text: "on_scene" }, "P-1 is itself, though P-17 begins so too"],
  ])("%s: %o", (line, means) => expect(order(line)).toEqual(means));

  it.each([
    ["xyz", ["verb", "xyz"]],
    ["send p99", ["unit", "p99"]],
    ["send ladder", ["units", "ladder", "Ladder 3"]],
    ["send m9 to #2", ["units", "m9", "A9 (M-9, red)", "B9 (M-9, blue)"]],
    ["send", ["which", ""]],
    ["send 7", ["units", "7", "7"]],
    ["send 9", ["rank", "9"]],
    ["send 2 to #2", ["rank", "2"]],
    ["send p17 to", ["whose", ""]],
    ["send p17 to #5", ["incident", "#5"]],
    ["send p17 to fire", ["incidents", "fire", "#2 Fire in a café", "#12 Fire"]],
    ["p17 flying", ["status", "flying"]],
    ["p17 p18", ["status", ""]],
    ["level", ["number", ""]],
    ["priority 7", ["number", "7"]],
    ["note", ["text", ""]],
    ["msg p17", ["text", ""]],
    ["msg p99 hello", ["unit", "p99"]],
    ["msg", ["which", ""]],
    ["where", ["place", ""]],
    ["replace p18", ["by", ""]],
    ["ack now", ["rest", "now"]],
    ["back when", ["moment", "when"]],
    ["back 25:10", ["moment", "25:10"]],
    ["play fast", ["number", "fast"]],
    ["emergency p17 p18", ["rest", "p18"]],
  ])("%s is not carried out, and says why", (line, why) => {
    expect(read(line, known).order).toBeUndefined();
    expect(trouble(line)).toEqual(why);
  });

  it("asks which incident where none is chosen", () => {
    const none = { ...known, incident: null };
    for (const line of ["backup", "send p17", "note two men", "level 2", "end"]) expect(trouble(line, none)).toEqual(["whose", ""]);
  });

  it("does nothing while the desk looks back that would change something, or is only known of now", () => {
    const back = { ...known, past: true, may: (right: string) => right === "look_back" };
    for (const line of ["send p17", "p17 os", "close here", "cover", "near p17"]) expect(trouble(line, back)).toEqual(["held", ""]);
    for (const line of ["p17", "back 14:05", "closed robbery", "closed", "play 30", "live"]) expect(read(line, back).trouble).toBeUndefined();
  });

  it("is for whoever has the right", () => {
    const none = { ...known, may: () => false };
    for (const line of ["send p17", "p17 os", "ack", "close here"]) expect(trouble(line, none)).toEqual(["right", ""]);
    expect(order("p17", none)).toEqual({ name: "show", units: ["U17"] });
    expect(read("se", none).options).toEqual([]);
  });
});

describe("what is overdue", () => {
  it.each([
    ["ok", [], null],
    ["ok p17", ["U17"], null],
    ["ok #2", [], "I-NHTEBN"],
  ])("%s", (line, units, incident) => expect(read(line, known).order).toMatchObject({ name: "ok", units, incident }));
  it("is seen to by name or not at all", () => expect(read("ok q99", known).trouble?.what).toBe("incident"));
});

describe("what a line may become", () => {
  const lines = (line: string) => read(line, known).options.map((option) => option.line);
  it.each([
    ["se", ["send ", "send all "]],
    ["p1", ["P-17 ", "P-18 "]],
    ["send p17 p1", ["send p17 P-17 ", "send p17 P-18 "]],
    ["send m9", []],
    ["send m", ["send A9 ", "send B9 "]],
    ["send p17 to ", ["send p17 to #1 ", "send p17 to #2 ", "send p17 to #12 "]],
    ["send p17 #1", ["send p17 #12 "]],
    ["send p17 to caf", ["send p17 to #2 "]],
    ["p17 o", ["p17 st ", "p17 os ", "p17 oos "]],
    ["where form", []],
  ])("%s", (line, may) => expect(lines(line)).toEqual(may));

  it("can be read", () => {
    for (const line of lines("send p17 to ")) expect(order(line).name).toBe("send");
  });
});

describe("the table", () => {
  it("gives no verb, status or letter two meanings", () => {
    const said = [...Object.values(verbs).flatMap(([names]) => [...names]), ...Object.values(statuses).flat()].map((word) => word.replace(/\s/g, ""));
    expect(said.filter((word, n) => said.indexOf(word) !== n)).toEqual([]);
    const letters = Object.values(statusKeys);
    expect(new Set(letters).size).toBe(letters.length);
    const keys = Object.values(COMMANDS).flatMap(({ keys }) => [...(keys ?? "")]);
    expect(keys.filter((key, n) => keys.indexOf(key) !== n)).toEqual([]);
  });

  it.each(Object.keys(COMMANDS) as Name[])("%s is understood in the form that the help shows", (name) => {
    const closed = { ...known, units: [...known.units, unit("U2", "P-2")] };
    expect(read(verbs[name][1], closed).trouble).toBeUndefined();
    expect(order(verbs[name][1], closed).name).toBe(name);
  });
});

describe("an order to the server", () => {
  const names = { callsign: (id: string) => known.units.find(({ unit_id }) => unit_id === id)?.callsign ?? id, tag: (id: string) => `#${known.incidents.find(({ incident_id }) => incident_id === id)?.tag}` };
  const at = "/v1/incidents/I-NHTEBN";
  it.each([
    ["POST", `${at}/assignments`, { unit_id: "U17" }, "send P-17 to #2"],
    ["POST", `${at}/assignments`, { unit_id: "U17", replaces: "F3" }, "replace Ladder3 by P-17 #2"],
    ["PATCH", `${at}/assignments/U17`, { state: "cancelled" }, "release P-17"],
    ["PATCH", `${at}/assignments/U17`, { state: "on_scene" }, "P-17 os"],
    ["PATCH", at, { priority: 2 }, "priority 2 #2"],
    ["POST", `${at}/backup`, { mode: "delayed" }, "delayed #2"],
    ["POST", `${at}/close`, undefined, "end #2"],
    ["POST", `${at}/notes`, { text: "secret" }, "note #2 …"],
    ["POST", "/v1/messages", { to: "units", unit_ids: ["U17"], text: "secret", urgent: true }, "urgent P-17 …"],
    ["POST", "/v1/messages", { to: "all", text: "secret" }, "msg all …"],
    ["POST", "/v1/incidents", { lon: 11.97, lat: 57.7, kind: "fight" }, "new 57.7, 11.97 fight"],
    ["PUT", "/v1/units/U17/status", { status: "on_scene" }, "P-17 os"],
    ["POST", "/v1/emergencies", { unit_id: "U17" }, "emergency P-17"],
    ["POST", "/v1/emergencies/E-1/acknowledge", {}, "ack"],
    ["POST", "/v1/session/active", undefined, ""],
  ])("%s %s is typed", (method, path, body, line) => {
    expect(typed(method, path, body, names)).toBe(line);
    if (line) expect(read(line, known).trouble).toBeUndefined();
  });
});

describe("place, kind and note", () => {
  const kinds = ["shots fired", "fire", "fight"];
  it.each([
    ["formosa 12 shots fired two men", "formosa 12", "shots fired", "two men"],
    ["Rua do Fogo fight", "Rua do Fogo", "fight", ""],
    ["formosa 12, man shouts, has a fire", "formosa 12", "fire", ""],
    ["formosa 12, man shouts", "formosa 12", "", "man shouts"],
    ["57.7, 11.97 fire", "57.7, 11.97", "fire", ""],
    ["formosa 12", "formosa 12", "", ""],
  ])("%s", (text, place, kind, note) => {
    const found = parted(text, kinds);
    expect([found.kind, found.place.startsWith(place)]).toEqual([kind, true]);
    if (note) expect(found.note).toBe(note);
  });
  it("tells what the map does not know from the place", () => {
    expect(parted("formosa 12 dog barks", [], ["dog", "barks"])).toEqual({ place: "formosa 12", kind: "", note: "dog barks" });
  });
});

describe("a note", () => {
  const other = { ...known, unit: null };
  it.each(["/send p17 to #1", "send p17 to #2", "/note #2 caller left", "note #2 caller left", "/send p99", "p17 os", "priority 3", "release p18", "/help"])("may be meant as an order: %s", (text) => {
    expect(meantAsOrder(text, other)).toBe(true);
  });
  it.each(["", "/", "two men", "send an ambulance", "close to the bridge", "new caller says two men", "where is the dog", "/ two men", "//", "now on the roof", "show of force", "set off alarm 2", "next to the church"])("is a note: %s", (text) => {
    expect(meantAsOrder(text, other)).toBe(false);
  });
});
