import { defineEnvironment } from "kvci-build";

/**
 * A site without the internet: one place stands for every upstream, and nothing else is asked, by neither the host nor guests.
 * Fill it where the internet is, with `kvci-build lock --fetch <folder>`, and serve that folder with any web server. Copy this file
 * and name your server in it, or name it for one run: `--env airgap --mirror http://server.example/kvci`.
 */
export default defineEnvironment({
  baseUrl: "http://mirror.example/kvci",
  network: "isolated",
  locked: true,
});
