import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));
const BUNDLED = ["lucide", "preact", "three", "three-mesh-bvh"];

/** Writes the licences of the libraries that are part of the built files beside them. */
export function licences(): Plugin {
  return {
    name: "orfeas-licences",
    apply: "build",
    generateBundle() {
      const texts = BUNDLED.map((name) => {
        const folder = join(MODULES, name);
        const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
        if (!file) throw new Error(`${name} has no licence file`);
        return `${name}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
      });
      this.emitFile({ type: "asset", fileName: "LICENSES.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}
