import { judgeEach, labelled, type Check, type Subject } from "../check.ts";

/** Where both container runtimes look, and where Flannel, Calico and Multus put theirs. */
const FOLDER = "/opt/cni/bin";

/** What the runtimes call by themselves (loopback) and what Flannel's and most other configurations name. */
const NEEDED = ["bridge", "host-local", "loopback", "portmap"];

/** A plugin tells the versions of the protocol that it knows; a program for another machine cannot. */
export const cniPluginsRun: Check = {
  name: "cni-plugins-run",
  proves: `The basic CNI plugins are in ${FOLDER} and run on this machine.`,
  timeoutMs: 120_000,
  probe: `
for file in ${FOLDER}/*; do
  if [ -L "$file" ] && [ ! -e "$file" ]; then echo "dangling: \${file##*/}"; fi
done
for name in ${NEEDED.join(" ")}; do
  if [ -x "${FOLDER}/$name" ]; then
    answer=$(CNI_COMMAND=VERSION timeout 30 "${FOLDER}/$name" </dev/null 2>&1 | tr -d '\\n' | cut -c1-300) || true
    echo "answer: $name $answer"
  fi
done`,
  judge: (subjects) => judgeEach(subjects, `${NEEDED.join(", ")} answer`, complain),
};

function complain({ output }: Subject): string[] {
  const answers = new Map(
    labelled(output, "answer").map((line) => {
      const [name = "", ...rest] = line.split(" ");
      return [name, rest.join(" ")];
    }),
  );
  return [
    ...labelled(output, "dangling").map((name) => `${FOLDER}/${name} leads nowhere`),
    ...NEEDED.flatMap((name) => {
      const answer = answers.get(name);
      if (answer === undefined) return [`${FOLDER}/${name} is missing or cannot be run`];
      return answer.includes('"supportedVersions"') ? [] : [`${FOLDER}/${name} does not run: ${answer}`];
    }),
  ];
}
