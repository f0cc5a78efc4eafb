/** Where the map is asked to look: a place once, or the unit that was chosen in a list for as long as it is. */
import type { LonLat } from "../wire";

class Sight {
  /** To be flown to; a new object for each wish. */
  place = $state.raw<{ at: LonLat } | null>(null);
  /** Kept in view. */
  unit = $state<string | null>(null);

  /** Where the map looks now, for whoever asks what is near. */
  centre: () => LonLat | undefined = () => undefined;

  fly(at: LonLat): void {
    this.unit = null;
    this.place = { at };
  }
}

export const sight = new Sight();
