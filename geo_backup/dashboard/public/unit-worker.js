/** Keeps the officer's page on the phone: the page itself as it was last read, and whatever of it was loaded. Nothing that
 * the server says of units or incidents is kept here. */
const SHELL = "unit-page";
const PAGE = "/unit";
const WAIT_MS = 4000;

const ours = (url) => url.origin === location.origin && (/^\/(unit-)?assets\//.test(url.pathname) || url.pathname === "/unit.webmanifest");

/** Reads the page and what it names, where it is another one than before; the old one's files go. */
async function renew(answer) {
  const html = await answer.clone().text();
  const named = [...html.matchAll(/(?:src|href)="([^"]*\/assets\/[^"]+)"/g)].map(([, path]) => new URL(path, location.origin).pathname);
  const cache = await caches.open(SHELL);
  const before = await cache.match(PAGE);
  if (before && (await before.text()) === html) return;
  if (before) await Promise.all((await cache.keys()).map((key) => cache.delete(key)));
  await cache.addAll(named);
  await cache.put(PAGE, answer);
}

self.addEventListener("install", (event) => event.waitUntil(fetch(PAGE).then(renew).then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function page() {
  const kept = await (await caches.open(SHELL)).match(PAGE);
  try {
    const fresh = await fetch(PAGE, kept ? { signal: AbortSignal.timeout(WAIT_MS) } : {});
    if (!fresh.ok) return kept ?? fresh;
    await renew(fresh.clone()).catch(() => undefined);
    return fresh;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

async function file(request) {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request, { ignoreVary: true });
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.status === 200) await cache.put(request, fresh.clone());
  return fresh;
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET") return;
  if (event.request.mode === "navigate" && url.pathname === PAGE) event.respondWith(page());
  else if (ours(url)) event.respondWith(file(event.request));
});

/** The page names what it has loaded, the map above all, before this worker was there. */
self.addEventListener("message", ({ data }) => {
  const named = (data?.keep ?? []).map((name) => new URL(name)).filter(ours);
  void caches.open(SHELL).then((cache) => Promise.all(named.map(async (url) => (await cache.match(url)) ?? cache.add(url))));
});
