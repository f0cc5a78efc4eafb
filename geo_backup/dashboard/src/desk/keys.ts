/** Every key the page listens to, in one place, with the right that it needs; the words of the help say what each does. */
import type { LonLat, Right } from "../wire";
import { desk } from "./desk.svelte";
import * as orders from "./orders";
import { may } from "./session.svelte";
import { tool } from "./tool.svelte";

interface Sight {
  centre(): LonLat | undefined;
  pan(x: number, y: number): void;
}

const ARROWS: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

const best = () => tool.name === "look" && orders.sendRanked(0);
const KEYS: Record<string, [act: () => unknown, needs?: Right]> = {
  Enter: [best, "dispatch"],
  s: [best, "dispatch"],
  ...Object.fromEntries(Array.from("123456789", (key, place) => [key, [() => orders.sendRanked(place), "dispatch"]])),
  b: [() => orders.askBackup("immediate"), "dispatch"],
  d: [() => orders.askBackup("delayed"), "dispatch"],
  l: [() => orders.askBackup("strategic"), "dispatch"],
  u: [() => orders.sendSet(), "dispatch"],
  o: [() => orders.takeSwap(desk.swaps[0]), "dispatch"],
  w: [() => (desk.showWhy = !desk.showWhy), "look_ahead"],
  v: [() => (desk.showCover = !desk.showCover), "look_ahead"],
  p: [() => desk.togglePlans(), "look_ahead"],
  n: [() => tool.take("incident"), "dispatch"],
  c: [() => tool.take("closure-line"), "close_roads"],
  g: [() => tool.take("closure-area"), "close_roads"],
  e: [() => tool.take("closure-edges"), "close_roads"],
  a: [() => orders.acknowledge(), "take"],
  "!": [() => orders.declareEmergency(), "press"],
  r: [() => (desk.showReach = !desk.showReach), "look"],
  j: [() => desk.step(1)],
  k: [() => desk.step(-1)],
  t: [() => desk.toggleTheme()],
  x: [() => orders.closeIncident(), "dispatch"],
  "?": [() => (desk.showHelp = true)],
};

/** Whether a line of the help, which begins with a key, is for whoever is signed in. */
export function isFor(line: string): boolean {
  const needs = KEYS[line.split(" ")[0]!]?.[1];
  return needs === undefined || may(needs);
}

export function keyPressed(event: KeyboardEvent, map: Sight | undefined): void {
  // The dialogs have their own keys; only an alarm does not wait for them.
  if (event.ctrlKey || event.metaKey || event.altKey || desk.showHelp || (desk.asking && event.key !== "a")) return;
  // A key held down must not send one unit after the other.
  if (event.repeat && !(event.key in ARROWS)) return;
  const target = event.target as HTMLElement;
  if (event.key === "Escape") {
    target.blur();
    desk.cancel();
    return;
  }
  if (target.matches("input, textarea, select")) return;
  // A focused button keeps Enter and Space for itself.
  if ((event.key === "Enter" || event.key === " ") && target.closest("button, a, summary")) return;
  if (act(event.key, event.shiftKey, map, target)) event.preventDefault();
}

function act(key: string, shift: boolean, map: Sight | undefined, target: HTMLElement): boolean {
  const arrow = ARROWS[key];
  if (arrow) {
    if (target.closest(".maplibregl-map")) return false; // the map moves itself
    if (tool.name !== "look") map?.pan(arrow[0] * (shift ? 10 : 60), arrow[1] * (shift ? 10 : 60));
    else if (arrow[1] === 0) return false;
    else desk.step(arrow[1]);
    return true;
  }
  if (tool.name !== "look") {
    const centre = map?.centre();
    if (tool.name === "incident" && (key === "Enter" || key === " ") && centre) return (void orders.openIncident(centre), true);
    if (tool.name !== "incident" && key === " " && centre) return (tool.point(centre), true);
    if (tool.name.startsWith("closure") && key === "Enter") return (void tool.finishClosure(), true);
  }
  if (!Object.hasOwn(KEYS, key) || !isFor(key)) return false;
  void KEYS[key]![0]();
  return true;
}
