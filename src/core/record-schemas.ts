import { z } from "zod";
import { isDigest, type Digest } from "./digest.ts";
import { ARCHES } from "./platform.ts";

/** A digest in a record that is read back. */
export const digestSchema = z.custom<Digest>(
  (value) => typeof value === "string" && isDigest(value),
  "a digest is needed",
);

/** A platform in a record that is read back. */
export const platformSchema = z.object({
  os: z.literal("linux"),
  arch: z.enum(ARCHES),
  family: z.enum(["apt", "dnf"]),
  distribution: z.string(),
  release: z.string(),
  bootLoader: z.enum(["grub", "systemd-boot", "zipl"]),
});
