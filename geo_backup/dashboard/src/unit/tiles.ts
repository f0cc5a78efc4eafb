/** The pieces of the basemap that this phone has shown, kept for when there is no link: the newest, so many and so much. */
import { EtagMismatch, type RangeResponse, type Source } from "pmtiles";
import { TILES } from "./kept";

export const PIECES = 300;
export const BYTES = 20_000_000;
/** A link that does not answer for so long is none, where the piece is here. */
const WAIT_MS = 4_000;
/** Where a PMTiles file says at which byte its tiles begin: what stands before them is needed to find any. */
const TILES_FROM = 56;

/** What of the browser's `Cache` is needed. */
export type Store = Pick<Cache, "put" | "delete" | "match" | "keys">;

const bytesOf = (answer: Response) => Number(answer.headers.get("content-length"));

export class KeptTiles implements Source {
  readonly #net: Source;
  readonly #open: () => Promise<Store>;
  /** The bytes of each piece by its address, the one that was fetched longest ago first. */
  #sizes = new Map<string, number>();
  #total = 0;
  #etag: string | undefined;
  #tilesFrom = Infinity;
  #store: Promise<Store> | undefined;
  /** One piece after the other, or what is counted would not be what is there. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(net: Source, open: () => Promise<Store> = () => caches.open(TILES)) {
    this.#net = net;
    this.#open = open;
  }

  getKey(): string {
    return this.#net.getKey();
  }

  /** From the server as long as it answers, so that a new map is not mixed with an old one. */
  async getBytes(offset: number, length: number, signal?: AbortSignal, etag?: string): Promise<RangeResponse> {
    const name = `${this.getKey()}/${offset}-${length}`;
    const fetched = this.#net.getBytes(offset, length, signal, etag);
    void fetched.then((piece) => this.#keep(name, offset, piece)).catch(() => undefined);
    let failed: unknown;
    try {
      const soon = await Promise.race([fetched, new Promise<null>((resolve) => setTimeout(resolve, WAIT_MS, null))]);
      if (soon) return soon;
    } catch (error) {
      if (signal?.aborted || error instanceof EtagMismatch) throw error;
      failed = error;
    }
    const kept = await this.#kept(name, etag).catch(() => null);
    if (kept) return kept;
    if (failed) throw failed;
    return fetched;
  }

  async #kept(name: string, etag: string | undefined): Promise<RangeResponse | null> {
    const answer = await (await this.#opened()).match(name);
    if (!answer) return null;
    const own = answer.headers.get("etag") || undefined;
    return etag && own !== etag ? null : { data: await answer.arrayBuffer(), etag: own };
  }

  #keep(name: string, offset: number, { data, etag }: RangeResponse): Promise<unknown> {
    const copy = data.slice(0);
    return (this.#turn = this.#turn.then(() => this.#put(name, offset, copy, etag)).catch(() => undefined)); // full, or forbidden
  }

  async #put(name: string, offset: number, data: ArrayBuffer, etag: string | undefined): Promise<void> {
    const store = await this.#opened();
    if (this.#sizes.size && etag !== this.#etag) for (const old of [...this.#sizes.keys()]) await this.#drop(store, old);
    this.#etag = etag;
    if (offset === 0) this.#tilesFrom = tilesFrom(data);
    await this.#drop(store, name);
    await store.put(name, new Response(data, { headers: { etag: etag ?? "", "content-length": String(data.byteLength) } }));
    this.#sizes.set(name, data.byteLength);
    this.#total += data.byteLength;
    for (const old of [...this.#sizes.keys()]) {
      if (this.#sizes.size <= PIECES && this.#total <= BYTES) return;
      if (old !== name && Number(old.slice(this.getKey().length + 1).split("-")[0]) >= this.#tilesFrom) await this.#drop(store, old);
    }
  }

  async #drop(store: Store, name: string): Promise<void> {
    if (!this.#sizes.has(name)) return;
    await store.delete(name);
    this.#total -= this.#sizes.get(name)!;
    this.#sizes.delete(name);
  }

  /** What was kept when the page was last open is counted too. */
  #opened(): Promise<Store> {
    return (this.#store ??= this.#open().then(async (store) => {
      for (const { url } of await store.keys()) {
        const answer = await store.match(url);
        if (!answer) continue;
        this.#sizes.set(url, bytesOf(answer));
        this.#total += bytesOf(answer);
        this.#etag = answer.headers.get("etag") || undefined;
        if (url === `${this.getKey()}/0-${bytesOf(answer)}`) this.#tilesFrom = tilesFrom(await answer.arrayBuffer());
      }
      return store;
    }));
  }
}

function tilesFrom(header: ArrayBuffer): number {
  return header.byteLength < TILES_FROM + 8 ? Infinity : Number(new DataView(header).getBigUint64(TILES_FROM, true));
}
