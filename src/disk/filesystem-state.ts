/** Whether a filesystem was closed in order; `unknown` where its head alone does not tell (XFS) or the type is not known. */
export interface FilesystemState {
  readonly type: string;
  readonly state: "clean" | "unclean" | "unknown";
}

/** Bytes from the start of a partition that the judgement needs: btrfs keeps its superblock at 64 KiB. */
export const HEAD_BYTES = 68 * 1024;

/** Judges the first 68 KiB of a partition. */
export function filesystemState(head: Buffer): FilesystemState {
  for (const judge of [ext4, fat, btrfs]) {
    const found = judge(head);
    if (found) return found;
  }
  return { type: head.toString("latin1", 0, 4) === "XFSB" ? "xfs" : "other", state: "unknown" };
}

/** The superblock is at 1024: s_magic at 0x38, s_state at 0x3a (1 = clean), s_feature_incompat at 0x60 (4 = journal to replay). */
function ext4(head: Buffer): FilesystemState | undefined {
  const superblock = head.subarray(1024, 2048);
  if (superblock.length < 1024 || superblock.readUInt16LE(0x38) !== 0xef53) return undefined;
  const clean = (superblock.readUInt16LE(0x3a) & 1) === 1 && (superblock.readUInt32LE(0x60) & 4) === 0;
  return { type: "ext4", state: clean ? "clean" : "unclean" };
}

/** Linux sets bit 0 of the BPB's reserved byte while a FAT filesystem is mounted for writing. */
function fat(head: Buffer): FilesystemState | undefined {
  if (head.length < 512 || head.readUInt16LE(510) !== 0xaa55) return undefined;
  const fat32 = head.toString("latin1", 82, 87) === "FAT32";
  if (!fat32 && !/^FAT1[26]/.test(head.toString("latin1", 54, 59))) return undefined;
  const dirty = (head.readUInt8(fat32 ? 0x41 : 0x25) & 1) === 1;
  return { type: "vfat", state: dirty ? "unclean" : "clean" };
}

/** A log tree in the superblock (offset 0x60) is replayed by the next mount. */
function btrfs(head: Buffer): FilesystemState | undefined {
  const superblock = head.subarray(64 * 1024);
  if (superblock.length < 4096 || superblock.toString("latin1", 0x40, 0x48) !== "_BHRfS_M") return undefined;
  return { type: "btrfs", state: superblock.readBigUInt64LE(0x60) === 0n ? "clean" : "unclean" };
}
