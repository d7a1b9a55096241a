import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where `trunkline serve` looks. */
const STATIC = here("../app/page/static");

/** A server to develop against: `trunkline serve`, and then `npx vite` in this folder. */
const SERVER = process.env["TRUNKLINE_URL"] ?? "http://127.0.0.1:8765";

/** Puts compressed copies beside the files: compressed once, and as well as can be. */
function compressed(): Plugin {
  return {
    name: "compressed",
    closeBundle() {
      const files = readdirSync(STATIC, { recursive: true, encoding: "utf8" });
      for (const file of files.filter((name) => /\.(css|html|js|svg)$/.test(name))) {
        const content = readFileSync(`${STATIC}/${file}`);
        writeFileSync(`${STATIC}/${file}.br`, brotliCompressSync(content));
        writeFileSync(`${STATIC}/${file}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  resolve: {
    // The transports' default media manager, which loads from its vendor's CDN. Ours is in src/media.
    alias: { "@daily-co/daily-js": here("src/media/no_daily.ts") },
  },
  server: { proxy: { "/v1": { target: SERVER, ws: true }, "/metrics": SERVER } },
  build: {
    outDir: STATIC,
    emptyOutDir: true,
    // Nothing inline, so that the policy need not allow it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    rolldownOptions: { input: [here("index.html"), here("operator.html")] },
  },
});
