import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    // The Content-Security-Policy allows no inline scripts, and files of their own are cached.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    // The viewer is large and comes late; tests/web/test_first_load.py holds the first load to its budget.
    chunkSizeWarningLimit: 900,
  },
  test: {
    include: ["tests/**/*.test.ts"],
  },
});
