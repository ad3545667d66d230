import type { AwsTarget } from "../../src/core/target.ts";

/** Everybody, as the name of a permission. */
export const EVERYBODY = "all";
/** Changes that one call takes. */
const CHANGES = 500;

interface Permission {
  readonly Group?: string | undefined;
  readonly UserId?: string | undefined;
  readonly OrganizationArn?: string | undefined;
  readonly OrganizationalUnitArn?: string | undefined;
}

/** One name for each kind of permission: they are compared as sets of texts. */
export function permissionName({ Group, UserId, OrganizationArn, OrganizationalUnitArn }: Permission): string {
  return Group ?? UserId ?? OrganizationArn ?? OrganizationalUnitArn ?? "unknown";
}

export function permissionOf(name: string): Permission & { readonly Group?: "all" } {
  if (name === EVERYBODY) return { Group: EVERYBODY };
  if (/^\d+$/.test(name)) return { UserId: name };
  return name.includes(":ou/") ? { OrganizationalUnitArn: name } : { OrganizationArn: name };
}

/** Who may start images of a target, sorted. */
export function launchers({ public: isPublic, accounts, organizations }: AwsTarget): readonly string[] {
  return [...new Set([...(isPublic ? [EVERYBODY] : []), ...accounts, ...organizations])].sort();
}

/**
 * Who may copy its snapshots: whoever has the image should be able to have a copy of it. Snapshots cannot be shared with
 * organisations.
 */
export function copiers({ public: isPublic, accounts }: AwsTarget): readonly string[] {
  return [...new Set([...(isPublic ? [EVERYBODY] : []), ...accounts])].sort();
}

export interface PermissionChange {
  readonly grant: readonly string[];
  readonly revoke: readonly string[];
}

/** What makes one set of permissions the other, in calls of a size that AWS takes; nothing for equal sets. */
export function permissionChanges(from: readonly string[], to: readonly string[]): readonly PermissionChange[] {
  const grant = to.filter((name) => !from.includes(name));
  const revoke = from.filter((name) => !to.includes(name));
  const half = CHANGES / 2;
  const calls = Math.ceil(Math.max(grant.length, revoke.length) / half);
  return Array.from({ length: calls }, (_, index) => ({
    grant: grant.slice(index * half, (index + 1) * half),
    revoke: revoke.slice(index * half, (index + 1) * half),
  }));
}
