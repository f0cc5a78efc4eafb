/** Pieces of the basemap that were shown are there without a link: bounded, of one file, and found again. */
import { EtagMismatch, type RangeResponse, type Source } from "pmtiles";
import { beforeEach, describe, expect, it } from "vitest";
import { BYTES, KeptTiles, PIECES, type Store } from "./tiles";

const TILES_FROM = 20_000;

class Server implements Source {
  etag = "one";
  down = false;
  getKey = () => "https://dispatch.test/tiles/basemap.pmtiles";

  async getBytes(offset: number, length: number, _?: AbortSignal, etag?: string): Promise<RangeResponse> {
    if (this.down) throw new TypeError("Failed to fetch");
    if (etag && etag !== this.etag) throw new EtagMismatch(this.etag);
    const data = new ArrayBuffer(length);
    if (offset === 0) new DataView(data).setBigUint64(56, BigInt(TILES_FROM), true);
    else new Uint8Array(data)[0] = offset % 251;
    return { data, etag: this.etag };
  }
}

function storing(): Store & { held: Map<string, Response> } {
  const held = new Map<string, Response>();
  return {
    held,
    put: async (name, answer) => void held.set(name as string, answer),
    delete: async (name) => held.delete(name as string),
    match: async (name) => held.get(name as string)?.clone(),
    keys: async () => [...held.keys()].map((url) => ({ url }) as Request),
  };
}

describe("kept tiles", () => {
  let server: Server;
  let store: ReturnType<typeof storing>;
  let tiles: KeptTiles;
  const settled = () => new Promise((resolve) => setTimeout(resolve, 30));
  const begin = () => (tiles = new KeptTiles(server, async () => store));

  beforeEach(() => {
    server = new Server();
    store = storing();
    begin();
  });

  it("gives without a link what was shown, also after the page was opened anew", async () => {
    await tiles.getBytes(0, 16_384);
    await tiles.getBytes(30_000, 10, undefined, "one");
    await settled();
    server.down = true;
    begin();
    const { data, etag } = await tiles.getBytes(30_000, 10, undefined, "one");
    expect([new Uint8Array(data)[0], etag]).toEqual([30_000 % 251, "one"]);
    expect((await tiles.getBytes(0, 16_384)).data.byteLength).toBe(16_384);
    await expect(tiles.getBytes(40_000, 10)).rejects.toThrow("Failed to fetch");
  });

  it("holds the newest pieces, and what finds them", async () => {
    await tiles.getBytes(0, 16_384);
    await tiles.getBytes(16_384, 100);
    for (let n = 0; n < PIECES + 40; n++) await tiles.getBytes(TILES_FROM + n, 10);
    await settled();
    expect(store.held.size).toBe(PIECES);
    server.down = true;
    for (const [offset, length] of [[0, 16_384], [16_384, 100], [TILES_FROM + PIECES + 39, 10]] as const) expect((await tiles.getBytes(offset, length)).etag).toBe("one");
    await expect(tiles.getBytes(TILES_FROM, 10)).rejects.toThrow();
  });

  it("holds so many bytes at most", async () => {
    await tiles.getBytes(0, 16_384);
    for (let n = 0; n < 6; n++) await tiles.getBytes(TILES_FROM + n, BYTES / 4);
    await settled();
    expect([...store.held.values()].reduce((sum, answer) => sum + Number(answer.headers.get("content-length")), 0)).toBeLessThanOrEqual(BYTES);
    expect(store.held.size).toBe(4);
  });

  it("mixes no two maps", async () => {
    await tiles.getBytes(0, 16_384);
    await tiles.getBytes(30_000, 10, undefined, "one");
    server.etag = "two";
    await expect(tiles.getBytes(30_010, 10, undefined, "one")).rejects.toBeInstanceOf(EtagMismatch);
    await tiles.getBytes(0, 16_384);
    await settled();
    expect(store.held.size).toBe(1);
    server.down = true;
    await expect(tiles.getBytes(30_000, 10, undefined, "two")).rejects.toThrow();
  });

  it("does without where nothing may be kept", async () => {
    const barred = new KeptTiles(server, () => Promise.reject(new DOMException("no", "SecurityError")));
    expect((await barred.getBytes(30_000, 10)).etag).toBe("one");
    server.down = true;
    await expect(barred.getBytes(30_000, 10)).rejects.toThrow("Failed to fetch");
  });
});
