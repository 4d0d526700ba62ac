import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const SHELL = ["/", "/icons/icon-192.png", "/icons/icon-512.png"];

/** Writes `sw.js` with the list of built files; its version is their hash, so it changes exactly when they do. */
export function serviceWorker(): Plugin {
  let base = "/";
  return {
    name: "orfeas-service-worker",
    apply: "build",
    configResolved(config) {
      base = config.base;
    },
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const built = Object.values(bundle).filter(({ fileName }) => /\.(js|css)$/.test(fileName));
        const hash = createHash("sha256");
        for (const file of Object.values(bundle).sort((one, other) => (one.fileName < other.fileName ? -1 : 1))) {
          hash.update(file.fileName).update(file.type === "chunk" ? file.code : file.source);
        }
        const theme = readFileSync(new URL("../public/theme.js", import.meta.url));
        const files = [...SHELL, `${base}theme.js`, ...built.map(({ fileName }) => base + fileName).sort()];
        const source = readFileSync(new URL("../src/sw.js", import.meta.url), "utf8")
          .replace('"%VERSION%"', JSON.stringify(hash.update(theme).digest("hex").slice(0, 16)))
          .replace('"%FILES%"', JSON.stringify(files));
        this.emitFile({ type: "asset", fileName: "sw.js", source });
      },
    },
  };
}
