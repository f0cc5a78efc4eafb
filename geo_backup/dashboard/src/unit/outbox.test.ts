/** What waits on a phone goes in the right order, is bounded, and is its own unit's alone. */
import { describe, expect, it } from "vitest";
import { AT_ONCE, FIXES_MAX, Outbox, PRESSED_MAX, worth, type Fix, type Pressed } from "./outbox";

const fix = (s: number, lon = 11.97, accuracy: number | null = 5): Fix => [s * 1000, lon, 57.7, null, null, accuracy];
const press = (id: string, urgent = false): Pressed => ({ id, kind: "status", of: "", body: {}, pressedMs: 0, what: id, urgent, dated: false });

describe("the outbox", () => {
  it("sends an emergency first, then the newest place, what was pressed, and the rest", () => {
    const box = new Outbox("P7");
    for (const s of [1, 2, 3]) box.locate(fix(s));
    box.press(press("status"));
    box.press(press("help", true));
    const order: unknown[] = [];
    for (let parcel = box.next(); parcel; parcel = box.next()) {
      order.push("pressed" in parcel ? parcel.pressed.id : parcel.fixes.map(([ms]) => ms / 1000));
      box.sent(parcel);
    }
    expect(order).toEqual(["help", [3], "status", [1, 2]]);
  });

  it("keeps an hour, newest first, in parts that the server takes", () => {
    const box = new Outbox("P7");
    for (let s = 1; s <= FIXES_MAX + 100; s++) box.locate(fix(s));
    expect(box.waiting).toBe(FIXES_MAX);
    box.sent(box.next()!);
    const next = box.next();
    expect(next && "fixes" in next && [next.fixes.length, next.fixes.at(-1)![0]]).toEqual([AT_ONCE, (FIXES_MAX + 99) * 1000]);
  });

  it("goes on with the rest while an emergency is refused", () => {
    const box = new Outbox("P7");
    box.press(press("help", true));
    box.locate(fix(1));
    expect(box.next(true)).toEqual({ fixes: [fix(1)] });
    expect(box.next()).toEqual({ pressed: press("help", true) });
  });

  it("lets go of the oldest press that is no emergency", () => {
    const box = new Outbox("P7");
    box.press(press("help", true));
    for (let n = 0; n < PRESSED_MAX; n++) box.press(press(`${n}`));
    expect(box.pressed.length).toBe(PRESSED_MAX);
    expect(box.pressed[0]!.id).toBe("help");
    expect(box.pressed[1]!.id).toBe("1");
  });

  it("goes on with what was kept, unless it was another unit's", () => {
    const box = new Outbox("P7");
    box.locate(fix(1));
    box.press(press("status"));
    const held = JSON.parse(JSON.stringify(box.held)) as Outbox["held"];
    expect(new Outbox("P7", held).waiting).toBe(1);
    expect(new Outbox("P8", held).next()).toBeNull();
  });
});

it("a fix is worth telling once a second on the way, and each 15 s at a stop", () => {
  expect(worth(null, fix(0), 0)).toBe(true);
  expect(worth(fix(0), fix(0.5, 11.98), 500)).toBe(false);
  expect(worth(fix(0), fix(0.5, 11.98), 1_000)).toBe(true);
  expect(worth(fix(0), fix(5), 5_000)).toBe(false);
  expect(worth(fix(0), fix(5, 11.9703, 40), 5_000)).toBe(false);
  expect(worth(fix(0), fix(15), 15_000)).toBe(true);
  expect(worth(fix(15), fix(15), 15_000)).toBe(false);
});
