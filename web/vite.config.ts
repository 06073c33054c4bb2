import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// One script and one style, which `scripts/build.mjs` puts into the page. No names that change from build to build. In
// the widget of a notebook the styles of components are part of the script.
export default defineConfig(({ mode }) => ({
  plugins: [svelte({ compilerOptions: { css: mode === "widget" ? "injected" : "external" } })],
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    rollupOptions: {
      input: "src/main.ts",
      output: { format: "es", entryFileNames: "page.js", assetFileNames: "page.[ext]", codeSplitting: false },
    },
  },
}));
