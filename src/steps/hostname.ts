import { z } from "zod";
import { recordOf } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { lines, shell } from "./script.ts";
import { checkStep } from "./step-input.ts";

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const hostnameSchema = z
  .string()
  .max(64, "Linux takes 64 characters at most")
  .regex(new RegExp(`^${label}(?:\\.${label})*$`), 'a host name such as "node" or "node.example.org" is needed')
  .refine((name) => !/^localhost(?:\.|$)/.test(name), "a node needs a name of its own");
const optionsSchema = recordOf({
  /** Keeps the name even if cloud-init's metadata brings another. Default: false, the metadata wins. */
  fixed: z.boolean().default(false),
});

/**
 * Names the machine. Every machine made from the disk has this name until cloud-init gives it one of its own.
 *
 * @throws {InputError} `template-invalid`
 */
export function hostname(name: string, options: z.input<typeof optionsSchema> = {}): Step<ImageOp> {
  const checked = checkStep("hostname", hostnameSchema, name);
  const { fixed } = checkStep("hostname", optionsSchema, options);
  const names = [...new Set([checked, checked.split(".")[0] ?? checked])].join(" ");
  const ops = [
    writeFile("/etc/hostname", lines(checked)),
    // 127.0.1.1 is where Debian keeps the machine's own name; without it every sudo waits for DNS.
    shell(
      "touch /etc/hosts",
      "sed -i '/^127\\.0\\.1\\.1[[:space:]]/d' /etc/hosts",
      `echo '127.0.1.1 ${names}' >> /etc/hosts`,
    ),
    ...(fixed ? [writeFile("/etc/cloud/cloud.cfg.d/90-kvci-hostname.cfg", lines("preserve_hostname: true"))] : []),
  ];
  return { name: "hostname", ops: () => ops };
}
