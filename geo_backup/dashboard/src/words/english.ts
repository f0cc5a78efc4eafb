/** What English writes in its own way, wherever it is said. */

/** "1 unit", "3 units" */
export const counted = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;
/** "62.5 %" */
export const percent = (share: number, digits = 1) => `${(100 * share).toFixed(digits)} %`;
/** Who said it, as people say it: what kind of speaker it is need not be read out. */
export const said = (by: string) => by.replace(/^(person|program|device):/, "");
