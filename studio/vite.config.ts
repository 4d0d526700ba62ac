import { defineConfig } from "vite";
import { licences } from "./build/licences.ts";
import { serviceWorker } from "./build/service-worker.ts";

const server = process.env.ORFEAS_URL ?? "http://127.0.0.1:5000";

export default defineConfig({
  base: "/static/studio/",
  build: {
    outDir: process.env.STUDIO_OUT ?? "../orfeas/static/studio",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    // The polyfill is an inline script, which the pages' policy forbids.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      output: {
        // Three.js changes more rarely than the code that uses it, so it keeps its name and stays in caches.
        codeSplitting: { groups: [{ name: "three", test: /node_modules\/(three|three-mesh-bvh)\// }] },
      },
    },
  },
  plugins: [licences(), serviceWorker()],
  server: { proxy: { "^/(api|debug|metrics|test-simple|health|ready|icons|manifest.json|docs|openapi.json)": server } },
});
