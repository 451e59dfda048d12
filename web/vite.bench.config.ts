import { defaultClientConditions, defineConfig } from "vite";

// The page of benchmarks/browser.py; never part of the package.
export default defineConfig({
  root: "bench",
  base: "./",
  build: { outDir: "../../build/browser-bench", emptyOutDir: true, assetsInlineLimit: 0, target: "es2022" },
  worker: { format: "es" },
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
});
