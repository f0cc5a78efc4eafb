/** The language of the page: a second one is a file beside `en.ts` of the same shape, chosen here. */
import { en } from "./en";

export type Words = typeof en;
export const words: Words = en;
