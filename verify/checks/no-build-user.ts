import { judgeEach, linesOf, type Check, type Subject } from "../check.ts";

/** What may stand in the password field of an account that nobody can log in to by password. */
const LOCKED = "locked";

/** Prints `name uid state` per account; the state says what kind of password there is, never the hash. */
export const noBuildUser: Check = {
  name: "no-build-user",
  proves: "No account of the build is left, root has no password, and no account can be entered with an empty one.",
  timeoutMs: 30_000,
  probe: `
test -r /etc/shadow
awk -F: '
  FNR == NR { if ($2 == "") state[$1] = "empty"; else if (index($2, "$")) state[$1] = "hash"; else if ($2 ~ /^[!*]/) state[$1] = "${LOCKED}"; else state[$1] = "hash"; next }
  { print $1, $3, ($1 in state) ? state[$1] : ($2 == "" ? "empty" : "${LOCKED}") }
' /etc/shadow /etc/passwd`,
  judge: (subjects) =>
    judgeEach(subjects, "no account of the build, no password for root, no empty password", complain),
};

function complain({ output }: Subject): string[] {
  const accounts = linesOf(output).map((line) => line.split(" "));
  const complaints = accounts.flatMap(([name = "", uid = "", state = ""]) => [
    ...(name.startsWith("kvci") ? [`there is an account "${name}" (uid ${uid})`] : []),
    ...(state === "empty" ? [`"${name}" has an empty password`] : []),
    ...(name === "root" && state === "hash" ? ["root has a password"] : []),
  ]);
  return accounts.some(([name]) => name === "root") ? complaints : ["there is no account root", ...complaints];
}
