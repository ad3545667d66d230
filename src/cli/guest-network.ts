import type { GuestNetwork } from "../core/builder.ts";
import type { Environment } from "../core/environment.ts";

/** How guests of builds get at what is outside, in an environment. */
export function guestNetwork({ network }: Environment): GuestNetwork {
  return { isolated: network === "isolated", relayPort: undefined };
}
