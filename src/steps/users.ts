import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep } from "./step-input.ts";

const account = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'a name such as "core" is needed');
const publicKey = z
  .string()
  .regex(
    /^(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}(?: [^\n]*)?$/,
    'one line of a public key file is needed, for example "ssh-ed25519 AAAA… name"',
  );

const userSchema = recordOf({
  name: account.refine(
    (name) => name !== "root",
    "root is the build's own way in and is cleaned when the disk is sealed; make another user",
  ),
  /** Numeric user id; the next free one unless told. */
  uid: z.int().min(1000).max(59_999).optional(),
  /** Groups beside the user's own; made if they are missing. */
  groups: z.array(account).default([]),
  /** Lines of public key files. There are no passwords. */
  authorizedKeys: z.array(publicKey).default([]),
  /** May run everything as root without a password. Needs the sudo package, which Debian's small images lack. */
  sudo: z.boolean().default(false),
  shell: z.string().startsWith("/").default("/bin/bash"),
});

export type UserInput = DeepReadonly<z.input<typeof userSchema>>;
type User = z.output<typeof userSchema>;

/**
 * Adds a user with a home of their own and without a password: SSH keys are the way in.
 *
 * @throws {InputError} `template-invalid`
 */
export function user(input: UserInput): Step<ImageOp> {
  const checked = checkStep("user", userSchema, input);
  return {
    name: `user-${checked.name.replaceAll("_", "-").replace(/^-+/, "")}`,
    ops: (platform) => [...accountOps(checked), ...keyOps(checked, platform), ...sudoOps(checked)],
  };
}

function accountOps({ name, uid, groups, shell }: User): readonly ImageOp[] {
  const id = uid === undefined ? [] : [`--uid=${String(uid)}`];
  const member = groups.length === 0 ? [] : [`--groups=${groups.join(",")}`];
  return [
    // --force: a group that is there already is good.
    ...groups.map((group) => run("groupadd", "--force", "--system", group)),
    run("useradd", "--create-home", "--user-group", ...id, ...member, `--shell=${shell}`, name),
  ];
}

function keyOps({ name, authorizedKeys }: User, { family }: Platform): readonly ImageOp[] {
  if (authorizedKeys.length === 0) return [];
  const folder = `/home/${name}/.ssh`;
  const owner = `${name}:${name}`;
  return [
    run("install", "--directory", "--mode=0700", `--owner=${name}`, `--group=${name}`, folder),
    writeFile(`${folder}/authorized_keys`, lines(...authorizedKeys), { mode: 0o600, owner }),
    // sshd may read keys only under their own SELinux label.
    ...(family === "dnf" ? [run("restorecon", "-R", folder)] : []),
  ];
}

function sudoOps({ name, sudo }: User): readonly ImageOp[] {
  if (!sudo) return [];
  const file = `/etc/sudoers.d/90-${name}`;
  return [
    writeFile(file, lines(`${name} ALL=(ALL) NOPASSWD:ALL`), { mode: 0o440 }),
    run("visudo", "--check", "--quiet", `--file=${file}`),
  ];
}
