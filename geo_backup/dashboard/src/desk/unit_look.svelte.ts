/** What of the chosen unit is looked at besides its card: its last hour on the map, and who is near it. */
import { desk } from "./desk.svelte";
import { notice } from "./notice.svelte";
import { words } from "../words";

class UnitLook {
  track = $state(false);
  near = $state(false);

  toggleTrack(): void {
    if (!desk.selectedUnit) return notice.say(words.units.chooseFirst);
    this.track = !this.track;
  }
}

export const unitLook = new UnitLook();
