import { z } from "zod";

/**
 * An http or https URL as templates and environments may give it. One with a password in it would end up in arguments, logs and
 * records; credentials come from the places that their programs read (netrc, apt's auth.conf).
 */
export const downloadUrl = z
  .url({ protocol: /^https?$/, error: "an http or https URL is needed" })
  .refine((text) => !URL.canParse(text) || (new URL(text).username === "" && new URL(text).password === ""), {
    error: "a URL cannot hold credentials: put them into netrc or apt's auth.conf",
  });
