import { APT_CONF, APT_RUN_DIR } from "./apt-run-dir.ts";
import { READ_RELAY } from "./locked-packages.ts";

const SOURCES = `${APT_RUN_DIR}/sources`;

/** `https://host/path` becomes `<relay>/https/host/path`; Debian's cloud images name their mirrors in files of their own. */
const EDIT = [
  "sed -E",
  `-e "s#(^|[[:space:]:])(https?)://#\\\\1$relay/\\\\2/#g"`,
  `-e "s#mirror\\+file:(//)?/etc/apt/mirrors/#mirror+file:${SOURCES}/mirrors/#g"`,
].join(" ");

/**
 * Reads the guest's relay into `relay`. With one, apt is sent there by copies of its sources: what the image has in /etc
 * keeps naming the places themselves, so that neither the disk nor a key knows of mirrors. Keyrings stay tied to sources.
 */
export const APT_SOURCES_SCRIPT: readonly string[] = [
  READ_RELAY,
  'if [ -n "$relay" ]; then',
  `  rm -rf ${SOURCES}`,
  `  mkdir -p ${SOURCES}/parts ${SOURCES}/mirrors`,
  "  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources /etc/apt/mirrors/*; do",
  '    [ -f "$file" ] || continue',
  "    case $file in /etc/apt/mirrors/*) folder=mirrors ;; *) folder=parts ;; esac",
  `    ${EDIT} "$file" > "${SOURCES}/$folder/\${file##*/}"`,
  "  done",
  "  {",
  "    echo 'Dir::Etc::sourcelist \"/dev/null\";'",
  `    echo 'Dir::Etc::sourceparts "${SOURCES}/parts";'`,
  `  } >> ${APT_CONF}`,
  "fi",
];
