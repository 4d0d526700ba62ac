"use strict";

// The shell of the studio for times without a server. Data never comes from here: requests to the API are not touched.
const VERSION = "9937ce717ccb640a";
const CACHE = `orfeas-studio-${VERSION}`;
const FILES = ["/","/icons/icon-192.png","/icons/icon-512.png","/static/studio/theme.js","/static/studio/assets/assistant-C8l5JfT-.js","/static/studio/assets/batch-DJJGCi1F.js","/static/studio/assets/check-uWvckrKg.js","/static/studio/assets/circle-x-BGzr9Un0.js","/static/studio/assets/index-DNVkMp37.css","/static/studio/assets/index-Dag5JlVL.js","/static/studio/assets/job-BNU_PW4X.js","/static/studio/assets/library-CIrtgmhS.js","/static/studio/assets/print-panel-D-vHsCwN.js","/static/studio/assets/system-Dti-YE0r.js","/static/studio/assets/three-BcyzXS0r.js","/static/studio/assets/trash-CGsQOX3d.js","/static/studio/assets/viewer-jRLV705l.js","/static/studio/assets/workbench-DOBc81Rr.js"];
const PAGES = ["/", "/studio"];
const NETWORK_MS = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES.map((url) => new Request(url, { cache: "reload" }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith("orfeas-studio-") && name !== CACHE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate" && PAGES.includes(url.pathname)) event.respondWith(page(event.request));
  else if (FILES.includes(url.pathname) && url.pathname !== "/") event.respondWith(file(event.request));
});

// The server's page as long as it answers, so that a new version shows at once.
async function page(request) {
  const late = new Promise((_, refuse) => setTimeout(refuse, NETWORK_MS));
  try {
    return await Promise.race([fetch(request), late]);
  } catch {
    return (await caches.match("/", { cacheName: CACHE })) ?? Response.error();
  }
}

// Names of built files change with their content.
async function file(request) {
  return (await caches.match(request, { cacheName: CACHE, ignoreSearch: true })) ?? fetch(request);
}
