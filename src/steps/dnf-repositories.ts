import { dnfPlaces } from "../core/distribution-repositories.ts";
import type { Run } from "../core/op.ts";
import type { Platform } from "../core/platform.ts";
import { READ_RELAY } from "./locked-packages.ts";
import { shell } from "./script.ts";

/** What dnf's steps keep in memory while a build runs. */
export const DNF_RUN_DIR = "/run/kvci-dnf";

/** The repositories that steps install from: those of the guest, by its relay when it has one. */
export const DNF_REPOSITORIES = `${DNF_RUN_DIR}/repos.d`;

/** Every folder that dnf 4 and dnf 5 read by themselves. */
const FOLDERS = ["/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d"];

/**
 * Copies the guest's repositories to where steps tell dnf to look. With a relay `https://host/path` becomes
 * `<relay>/https/host/path`, and a list of mirrors the place that it stands for: what the image has in /etc keeps naming the
 * places themselves, so that neither the disk nor a key knows of mirrors.
 */
export function placeRepositories(platform: Pick<Platform, "distribution" | "arch">): Run {
  return shell(
    READ_RELAY,
    `rm -rf ${DNF_REPOSITORIES}`,
    `mkdir -p ${DNF_REPOSITORIES}`,
    `for file in ${FOLDERS.map((folder) => `${folder}/*.repo`).join(" ")}; do`,
    '  [ -f "$file" ] || continue',
    `  copy=${DNF_REPOSITORIES}/\${file##*/}`,
    '  if [ -z "$relay" ]; then cp "$file" "$copy"; continue; fi',
    "  repository=",
    '  while IFS= read -r line || [ -n "$line" ]; do',
    "    case $line in",
    '      "["*"]"*) repository=${line%%]*}; repository=${repository#?} ;;',
    "      metalink*=* | mirrorlist*=*)",
    "        case $repository in",
    ...Object.entries(dnfPlaces(platform)).map(([name, place]) => `          ${name}) line='baseurl=${place}' ;;`),
    "          # Only the list comes by the relay, what it names may be out of reach.",
    "          *) echo skip_if_unavailable=1 ;;",
    "        esac ;;",
    "    esac",
    '    printf "%s\\n" "$line"',
    `  done < "$file" | sed -E "/^[[:space:]]*#/! s#(^|[[:space:]=,])(https?)://#\\\\1$relay/\\\\2/#g" > "$copy"`,
    "done",
  );
}
