import { describe, expect, it } from "vitest";
import { Drafts } from "./drafts.svelte";

describe("what is written to incidents", () => {
  it("leaves nothing behind once it is on record", () => {
    const drafts = new Drafts();
    for (let n = 0; n < 40; n++) {
      const entered = { note_id: `N-${n}`, text: "three men now" };
      drafts.write(`I-${n}`, "three men now");
      drafts.enter(`I-${n}`, entered);
      expect(drafts.waiting(`I-${n}`)).toEqual([entered]);
      drafts.answered(`I-${n}`, entered, true);
    }
    expect(drafts.kept).toBe(0);
  });

  it("is kept while the desk looks elsewhere, and comes back where it is refused", () => {
    const drafts = new Drafts();
    const [first, second] = [{ note_id: "N-1", text: "one man" }, { note_id: "N-2", text: "two men" }];
    drafts.write("I-1", first.text);
    drafts.enter("I-1", first);
    drafts.enter("I-1", second);
    drafts.write("I-1", "they run");
    drafts.write("I-2", "elsewhere");
    drafts.answered("I-1", first, false);
    expect(drafts.of("I-1")).toBe("one man they run");
    expect(drafts.waiting("I-1")).toEqual([second]);
    drafts.answered("I-1", second, true);
    expect([drafts.of("I-1"), drafts.of("I-2"), drafts.kept]).toEqual(["one man they run", "elsewhere", 2]);
  });
});
