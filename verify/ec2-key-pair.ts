import { awsTags } from "../src/aws/managed-tags.ts";
import { ec2Part, type Ec2Scope } from "./ec2-part.ts";

export interface Ec2KeyPair extends AsyncDisposable {
  /** @param publicKey one line, as in authorized_keys; its private half never leaves this process. */
  make(publicKey: string): Promise<void>;
}

/** The key that a clone's root is logged in with, under the scope's name. */
export function ec2KeyPair(scope: Ec2Scope): Ec2KeyPair {
  const { caller, region, name, tags } = scope;
  const part = ec2Part("key pair", scope, (signal) =>
    caller.find({ action: "ec2:DeleteKeyPair", region, input: { KeyName: name } }, { signal }),
  );
  return {
    make: async (publicKey) => {
      const input = {
        KeyName: name,
        PublicKeyMaterial: Buffer.from(publicKey),
        TagSpecifications: [{ ResourceType: "key-pair" as const, Tags: awsTags(tags) }],
      };
      await caller.ask(
        { action: "ec2:ImportKeyPair", region, input },
        // The name is ours alone: who has it was made by an attempt whose answer was lost.
        { ...part.begin(), isExpected: ({ code }) => code === "InvalidKeyPair.Duplicate" },
      );
    },
    [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
  };
}
