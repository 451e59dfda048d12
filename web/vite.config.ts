import { defaultClientConditions } from "vite";
import { defineConfig } from "vitest/config";

// The built page is served by `anymask serve` from its own package; nothing is inlined, because the
// content security policy allows neither inline scripts nor data: scripts.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/anymask/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  // the runtime's WebAssembly stands beside the page instead of inside its script
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": process.env.ANYMASK_SERVER ?? "http://127.0.0.1:8000" },
    headers: {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node", restoreMocks: true, testTimeout: 30_000 },
});
