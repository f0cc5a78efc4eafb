import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// `npm run dev` shows this source beside a server that runs on its default port.
const server = "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  plugins: [svelte()],
  // the page of a desk, and an officer's
  build: { target: "es2022", chunkSizeWarningLimit: 1500, rollupOptions: { input: ["index.html", "unit.html"] } },
  server: { proxy: { "/v1": { target: server, ws: true }, "/tiles": server } },
});
