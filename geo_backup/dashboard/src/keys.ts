/** Every key the page listens to, in one place; the help shows the same list. */
import { page } from "./state.svelte";
import type { LonLat } from "./types";

export const KEYS: [string, string][] = [
  ["a", "acknowledge an officer's emergency"],
  ["!", "declare an emergency of the chosen unit (! again confirms)"],
  ["Enter or s", "send the best unit"],
  ["b / d / l", "ask for backup at once / when units are free / planned, for later"],
  ["u", "send the recommended units"],
  ["w", "why these units"],
  ["o", "take the offered swap: another unit in place of one on its way"],
  ["1 – 9", "send the n-th unit of the ranking"],
  ["1 – 5, Enter", "asked why another unit than a recommended one goes: the reason, or none"],
  ["n", "new incident at the crosshair: arrows move the map, Enter opens it"],
  ["c", "closure across a road: Space sets a point at the crosshair, Enter finishes"],
  ["g", "closure of an area"],
  ["e", "closure of streets that are picked one by one: Space picks at the crosshair"],
  ["v", "cover of the area: which calls a free unit would reach in time, and whom to move"],
  ["p", "plans: Space sets a post at the crosshair"],
  ["r", "how far one gets in 2, 5 and 10 minutes"],
  ["j / k or ↓ / ↑", "next, former incident"],
  ["x", "close the incident (x again confirms)"],
  ["t", "light or dark"],
  ["?", "this help"],
  ["Esc", "cancel"],
];

interface Sight {
  centre(): LonLat | undefined;
  pan(x: number, y: number): void;
}

const ARROWS: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function keyPressed(event: KeyboardEvent, map: Sight | undefined): void {
  // The dialogs have their own keys; only an alarm does not wait for them.
  if (event.ctrlKey || event.metaKey || event.altKey || page.showHelp || (page.asking && event.key !== "a")) return;
  // A key held down must not send one unit after the other.
  if (event.repeat && !(event.key in ARROWS)) return;
  const target = event.target as HTMLElement;
  if (event.key === "Escape") {
    target.blur();
    page.cancel();
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
    if (page.tool !== "look") map?.pan(arrow[0] * (shift ? 10 : 60), arrow[1] * (shift ? 10 : 60));
    else if (arrow[1] === 0) return false;
    else page.step(arrow[1]);
    return true;
  }
  if (page.tool !== "look") {
    const centre = map?.centre();
    if (page.tool === "incident" && (key === "Enter" || key === " ") && centre) return (void page.openIncident(centre), true);
    if (page.tool !== "incident" && key === " " && centre) return (page.point(centre), true);
    if (page.tool.startsWith("closure") && key === "Enter") return (void page.finishClosure(), true);
  }
  if (/^[1-9]$/.test(key)) return (page.sendRanked(Number(key) - 1), true);
  switch (key) {
    case "Enter":
    case "s":
      if (page.tool === "look") page.sendRanked(0);
      return true;
    case "b":
      return (void page.askBackup("immediate"), true);
    case "d":
      return (void page.askBackup("delayed"), true);
    case "l":
      return (void page.askBackup("strategic"), true);
    case "u":
      return (void page.sendSet(), true);
    case "o":
      return (void page.takeSwap(page.swaps[0]), true);
    case "w":
      return ((page.showWhy = !page.showWhy), true);
    case "v":
      return ((page.showCover = !page.showCover), true);
    case "p":
      return (page.togglePlans(), true);
    case "n":
      return (page.take("incident"), true);
    case "c":
      return (page.take("closure-line"), true);
    case "a":
      return (void page.acknowledge(), true);
    case "!":
      return (page.declareEmergency(), true);
    case "g":
      return (page.take("closure-area"), true);
    case "e":
      return (page.take("closure-edges"), true);
    case "r":
      return ((page.showReach = !page.showReach), true);
    case "j":
      return (page.step(1), true);
    case "k":
      return (page.step(-1), true);
    case "t":
      return (page.toggleTheme(), true);
    case "x":
      if (page.confirmClose) void page.closeIncident();
      else page.confirmClose = page.selected !== undefined;
      return true;
    case "?":
      return ((page.showHelp = true), true);
    default:
      return false;
  }
}
