// Keeps the page and the model, so that both work without a network. Another build is another file, and replaces it.

const BUILD = `taxiway ${self.registration.scope} {{build}}`;
const FILES = {{files}};

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(BUILD).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const others = async () => {
    const scope = `taxiway ${self.registration.scope} `;
    for (const name of await caches.keys()) if (name.startsWith(scope) && name !== BUILD) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(others());
});

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  // Not every web server answers for a folder.
  const wanted = event.request.url.split(/[?#]/)[0] === self.registration.scope ? 'index.html' : event.request;
  const kept = async () => (await (await caches.open(BUILD)).match(wanted, {ignoreSearch: true})) ?? fetch(event.request);
  event.respondWith(kept());
});
