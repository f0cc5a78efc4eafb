/** What this phone keeps from one opening of the page to the next; a browser that keeps nothing does no harm. */

export function kept<T>(name: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(`unit.${name}`) ?? "null") as T | null;
  } catch {
    return null;
  }
}

export function keep(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(`unit.${name}`);
    else localStorage.setItem(`unit.${name}`, JSON.stringify(value));
  } catch {
    // full or forbidden: what is in memory is still sent
  }
}

/** The store of the basemap's pieces. */
export const TILES = "unit-tiles";

/** The phone is another's from now on. */
export async function forgetTiles(): Promise<void> {
  if ("caches" in self) await caches.delete(TILES);
}
