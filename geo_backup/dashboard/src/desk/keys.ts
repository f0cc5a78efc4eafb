/** Every key the page listens to, in one place; the words of the help say what each does. */
import type { LonLat } from "../wire";
import { desk } from "./desk.svelte";
import * as orders from "./orders";
import { tool } from "./tool.svelte";

interface Sight {
  centre(): LonLat | undefined;
  pan(x: number, y: number): void;
}

const ARROWS: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

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
  if (/^[1-9]$/.test(key)) return (orders.sendRanked(Number(key) - 1), true);
  switch (key) {
    case "Enter":
    case "s":
      if (tool.name === "look") orders.sendRanked(0);
      return true;
    case "b":
      return (void orders.askBackup("immediate"), true);
    case "d":
      return (void orders.askBackup("delayed"), true);
    case "l":
      return (void orders.askBackup("strategic"), true);
    case "u":
      return (void orders.sendSet(), true);
    case "o":
      return (void orders.takeSwap(desk.swaps[0]), true);
    case "w":
      return ((desk.showWhy = !desk.showWhy), true);
    case "v":
      return ((desk.showCover = !desk.showCover), true);
    case "p":
      return (desk.togglePlans(), true);
    case "n":
      return (tool.take("incident"), true);
    case "c":
      return (tool.take("closure-line"), true);
    case "a":
      return (void orders.acknowledge(), true);
    case "!":
      return (orders.declareEmergency(), true);
    case "g":
      return (tool.take("closure-area"), true);
    case "e":
      return (tool.take("closure-edges"), true);
    case "r":
      return ((desk.showReach = !desk.showReach), true);
    case "j":
      return (desk.step(1), true);
    case "k":
      return (desk.step(-1), true);
    case "t":
      return (desk.toggleTheme(), true);
    case "x":
      return (void orders.closeIncident(), true);
    case "?":
      return ((desk.showHelp = true), true);
    default:
      return false;
  }
}
