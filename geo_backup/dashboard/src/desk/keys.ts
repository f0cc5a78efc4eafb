/** Every key the page listens to, in one place, with the right that it needs; the words of the help say what each does.
 * A bare key opens, shows, moves the focus or acknowledges. What sends, takes or ends is done by Ctrl+Enter, by Enter on
 * what has the focus, or by a click: words that are typed blind do none of it. */
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { LonLat, Right } from "../wire";
import * as calls from "./calls";
import { card } from "./card.svelte";
import { desk } from "./desk.svelte";
import { COMMANDS, commandOf } from "./commands";
import { line } from "./line.svelte";
import { notice } from "./notice.svelte";
import { noteAndSend } from "./noting";
import { FAR_STEP_MS, STEP_MS, past } from "./past.svelte";
import { record } from "./record.svelte";
import * as orders from "./orders";
import { overdue } from "./overdue.svelte";
import { roster } from "./roster.svelte";
import { may, session } from "./session.svelte";
import { tool } from "./tool.svelte";
import { typing } from "./typing";
import { unitLook } from "./unit_look.svelte";

interface Sight {
  centre(): LonLat | undefined;
  pan(x: number, y: number): void;
}

const ARROWS: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** Moves the focus to the button or field of a key; says why there is none. */
function to(key: string, none = ""): void {
  const at = document.querySelector<HTMLElement>(`[data-key="${key}"]:not(:disabled)`);
  if (at) at.focus();
  else if (none) notice.say(none);
}

/** Moves the focus to a row of the ranking: its route is shown, and Enter sends it. */
function toRow(place: number): void {
  const row = desk.shown[place];
  if (!row) return;
  // Whoever pressed the key had read the former order.
  if (!desk.rows.settled(place)) return notice.say(words.incident.placeChanged(place + 1, world.callsign(row.unit_id)));
  to(String(place + 1));
  desk.selectedUnit = row.unit_id;
}

export const KEYS: Record<string, [act: () => unknown, needs?: Right]> = {
  n: [() => card.show(), "dispatch"],
  i: [() => to("i"), "dispatch"],
  f: [() => to("f"), "dispatch"],
  b: [() => to("b"), "dispatch"],
  d: [() => to("d"), "dispatch"],
  l: [() => to("l"), "dispatch"],
  u: [() => to("u", words.backup.nobodyRecommended), "dispatch"],
  s: [() => toRow(0), "dispatch"],
  ...Object.fromEntries(Array.from("123456789", (key, place) => [key, [() => toRow(place), "dispatch"]])),
  o: [() => to("o", words.backup.noSwap), "dispatch"],
  w: [() => (desk.showWhy = !desk.showWhy), "look_ahead"],
  v: [() => (desk.showCover = !desk.showCover), "look_ahead"],
  p: [() => desk.togglePlans(), "look_ahead"],
  c: [() => tool.take("closure-line"), "close_roads"],
  g: [() => tool.take("closure-area"), "close_roads"],
  e: [() => tool.take("closure-edges"), "close_roads"],
  a: [() => orders.acknowledge(), "take"],
  y: [() => (alone = setTimeout(() => void overdue.seeFirst(), ALONE_MS)), "take"], // not the first letter of "yes, two men"
  z: [() => overdue.go()],
  "!": [() => orders.declareEmergency(), "press"],
  r: [() => (desk.showReach = !desk.showReach), "look"],
  "/": [() => line.begin()],
  q: [() => roster.show()],
  m: [() => to("m", words.units.chooseFirst), "respond"],
  h: [() => unitLook.toggleTrack(), "look_back"],
  j: [() => desk.step(1)],
  k: [() => desk.step(-1)],
  ";": [() => record.toggle(), "look_back"],
  ",": [() => past.open(), "look_back"],
  ".": [() => past.leave()],
  t: [() => desk.toggleTheme()],
  x: [() => desk.selected && calls.close(desk.selected), "dispatch"],
  "?": [() => (desk.showHelp = true)],
};

/** Presses the button that finishes the plan. */
const makePlan = () => document.querySelector<HTMLElement>("[data-form=plan] [data-finish]")?.click();

/** Presses the button that sends the message that is being written as an urgent one. */
const sendUrgent = () => document.querySelector<HTMLElement>("[data-form=message]:focus-within [data-finish]")?.click();

/** What Ctrl+Enter finishes, by the form in which the focus is or the tool in hand. */
const FORMS: Record<string, [act: () => unknown, needs: Right]> = {
  card: [() => calls.openCard(), "dispatch"],
  incident: [() => noteAndSend(), "dispatch"],
  plan: [makePlan, "dispatch"],
  message: [sendUrgent, "dispatch"],
  "closure-line": [() => tool.finishClosure(), "close_roads"],
  "closure-area": [() => tool.finishClosure(), "close_roads"],
  "closure-edges": [() => tool.finishClosure(), "close_roads"],
};

/** Which form Ctrl+Enter is for; none of what lies behind it. */
function formOf(target: HTMLElement, inField: boolean): string {
  const own = target.closest<HTMLElement>("[data-form]")?.dataset.form ?? "";
  if (inField || (own && own !== "incident")) return own;
  if (tool.name !== "look") return tool.name;
  if (desk.showHandover || desk.reading) return "";
  return card.open ? "card" : "incident";
}

/** What Ctrl and a key do. */
const WITH_CTRL: Record<string, [act: (target: HTMLElement, inField: boolean) => unknown, needs?: Right]> = {
  Enter: [(target, inField) => {
    const [act, needs] = FORMS[formOf(target, inField)] ?? [];
    if (!act || !needs) notice.say(words.nothingToFinish);
    else if (may(needs)) void act();
  }, "dispatch"],
  ".": [(_target, inField) => orders.acknowledge(undefined, inField), "take"],
  z: [() => notice.takeBack()],
};

/** The keys whose buttons send somebody. */
const SENDS = /^(\d|u|o)$/;

/** Whether a line of the help, which begins with a key, is for whoever is signed in. */
export function isFor(line: string): boolean {
  const [first] = line.split(" ") as [string];
  const needs = (KEYS[first] ?? WITH_CTRL[first.replace("Ctrl+", "")])?.[1];
  return needs === undefined || may(needs);
}

/** A letter that chooses from a menu is an order when no other key follows it this soon: words are none. */
const ALONE_MS = 450;
let alone: ReturnType<typeof setTimeout> | undefined;

/** The letter of a menu moves the focus to its button, which is pressed a moment later; Enter presses it at once. */
function choose(button: HTMLElement): void {
  button.focus();
  alone = setTimeout(() => {
    typing.over(); // whoever types words does not wait that long
    if (document.activeElement === button) button.click();
  }, ALONE_MS);
}

export function keyPressed(event: KeyboardEvent, map: Sight | undefined): void {
  clearTimeout(alone);
  const target = event.target as HTMLElement;
  const inField = target.matches("input:not([type=range]), textarea, select");
  if (event.key === "Escape") {
    typing.over();
    // One step at a time: out of the field, then back.
    if (inField && !target.closest("[data-testid=card]")) target.blur();
    else if (past.on && !desk.reading && !desk.selectedUnit && !desk.selectedId) past.leave();
    else desk.cancel();
    return;
  }
  if (event.ctrlKey || event.metaKey) {
    typing.over();
    const order = Object.hasOwn(WITH_CTRL, event.key) && !event.altKey && !event.repeat ? WITH_CTRL[event.key] : undefined;
    // In a field with text it is the field's own; an empty one has nothing to take back.
    if (!order || (inField && event.key === "z" && (target as HTMLInputElement).value !== "")) return;
    if (inField && event.key === "z" && !notice.offer) return notice.takeBack();
    event.preventDefault();
    if (past.on && event.key === "Enter") return notice.say(words.past.held);
    // A form has a right of its own; an alarm is of now, whatever is shown.
    if (event.key !== "Enter" && order[1] && !session.may(order[1])) return;
    if (event.key === "Enter" && SENDS.test(target.dataset.key ?? "")) target.click(); // the row that has the focus is meant
    else void order[0](target, inField);
    return;
  }
  if (inField) typing.over(); // whoever types into a field sees where it goes
  // Nothing that is written begins with it: a command does.
  if (event.key === "/" && !event.altKey && target.matches("input[type=text], input[type=search]") && (target as HTMLInputElement).value === "") return (event.preventDefault(), line.begin());
  if (event.altKey || inField) return;
  if (event.repeat && !(event.key in ARROWS)) return;
  if (typing.blind(event.key, event.timeStamp)) {
    event.preventDefault();
    (document.activeElement as HTMLElement | null)?.blur(); // a Return at the end of it is no order either
    notice.say(words.typedNowhere);
    return;
  }
  const button = target.closest<HTMLElement>("button, a, summary");
  // A space between words presses no button, and none that a letter has put the focus on.
  spaceIsNone = event.key === " " && Boolean(button && (button.dataset.key || typing.goesOn(event.timeStamp)));
  if (spaceIsNone) return event.preventDefault();
  if ((event.key === "Enter" || event.key === " ") && button) return;
  const letter = target.closest(".menu")?.querySelector<HTMLElement>(`[data-letter="${CSS.escape(event.key)}"]`);
  if (letter) return (event.preventDefault(), choose(letter));
  if (act(event.key, event.shiftKey, map, target)) event.preventDefault();
}

/** A button is pressed by a space as it is let go. */
let spaceIsNone = false;
export function keyReleased(event: KeyboardEvent): void {
  if (event.key === " " && spaceIsNone) event.preventDefault();
}

function act(key: string, shift: boolean, map: Sight | undefined, target: HTMLElement): boolean {
  const arrow = ARROWS[key];
  if (arrow) {
    if (target.closest(".maplibregl-map, [type=range]")) return false; // the map and a slider move themselves
    const row = Number(target.dataset.key);
    if (tool.name !== "look") map?.pan(arrow[0] * (shift ? 10 : 60), arrow[1] * (shift ? 10 : 60));
    else if (arrow[1] === 0 && past.on) past.step(arrow[0] * (shift ? FAR_STEP_MS : STEP_MS));
    else if (arrow[1] === 0) return false;
    else if (row) toRow(row - 1 + arrow[1]);
    else desk.step(arrow[1]);
    return true;
  }
  if (tool.name !== "look") {
    const centre = map?.centre();
    if (centre && (key === " " || (key === "Enter" && tool.name === "place"))) return (tool.point(centre), true);
    if (key === "Enter" && tool.name.startsWith("closure")) return (to("Enter"), true);
  }
  if (key === " " && past.on) return (past.toggle(), true);
  if (!Object.hasOwn(KEYS, key)) return false;
  // What only holds now, and what would change it, is not done while the desk looks back.
  const name = past.on ? commandOf(key) : undefined;
  if (past.on && ((name && COMMANDS[name].ofNow) || (!isFor(key) && session.may(KEYS[key]![1]!)))) return (notice.say(name && COMMANDS[name].ofNow ? words.past.ofNow : words.past.held), true);
  if (!isFor(key)) return false;
  void KEYS[key]![0]();
  line.pressed(key);
  return true;
}
