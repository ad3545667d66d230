import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";

/** A request that the relay does not take; the reason goes to the guest. */
export class Refused {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}

/** The URL behind `/https/host/path?query`, or why there is none. */
export function relayTarget(path: string): URL | Refused {
  const [, scheme, rest] = /^\/(https?)\/([^/?#]+(?:[/?].*)?)$/.exec(path) ?? [];
  const text = `${scheme ?? ""}://${rest ?? ""}`;
  if (scheme === undefined || !URL.canParse(text)) {
    return new Refused(400, "ask for /https/host/path or /http/host/path");
  }
  const url = new URL(text);
  return url.username === "" && url.password === "" ? url : new Refused(400, "a URL cannot hold credentials here");
}

/** This host itself, and what is on its link: clouds hand out credentials at 169.254.169.254. */
const OWN_PLACES = new BlockList();
for (const [address, bits] of [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
] as const) {
  OWN_PLACES.addSubnet(address, bits, "ipv4");
}
for (const [address, bits] of [
  ["::", 128],
  ["::1", 128],
  ["fe80::", 10],
  ["fd00:ec2::", 32],
] as const) {
  OWN_PLACES.addSubnet(address, bits, "ipv6");
}

/**
 * Whether a host is this one or on its link, by its address or by what its name stands for: nothing there is meant for guests.
 *
 * @param byName false where proxies look names up, and this host may have no answer.
 */
export async function isOwnPlace({ hostname }: URL, byName: boolean): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (isIP(host) > 0) return isOwnAddress(host);
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  if (!byName) return false;
  // A name without an address is the fetch's to report.
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.some(({ address }) => isOwnAddress(address));
}

function isOwnAddress(address: string): boolean {
  return OWN_PLACES.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}
