import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where `trunkline serve` looks. */
const STATIC = here("../app/page/static");

/** A server to develop against: `trunkline serve`, and then `npx vite` in this folder. */
const SERVER = process.env["TRUNKLINE_URL"] ?? "http://127.0.0.1:8765";

export default defineConfig({
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
