/** What is entered as a note: a line that was meant as an order is asked about before it is one's words on record. */
import { words } from "../words";
import * as calls from "./calls";
import { meantAsOrder } from "./commands";
import { consent } from "./consent.svelte";
import { desk } from "./desk.svelte";
import { drafts } from "./drafts.svelte";
import { line } from "./line.svelte";
import * as orders from "./orders";
import { may } from "./session.svelte";
import { titleOf } from "./titles";

/** Notes what is written, or asks. False: it asks. */
export function enter(id: string): boolean {
  const text = drafts.of(id).trim();
  if (!meantAsOrder(text, line.known)) return (void calls.note(id), true);
  consent.ask({
    title: words.consent.command(text, titleOf(id)),
    losses: [],
    yes: words.consent.asCommand, no: words.consent.goOnWriting,
    instead: { words: words.consent.asNote, act: () => calls.note(id) },
    act: () => {
      drafts.write(id, "");
      line.begin(text.replace(/^\//, ""));
    },
  });
  return false;
}

/** Whoever writes and sends in one go loses no word. */
export async function noteAndSend(): Promise<void> {
  const id = desk.selectedId;
  if (may("dispatch") && id && enter(id)) await orders.sendFirst();
}
