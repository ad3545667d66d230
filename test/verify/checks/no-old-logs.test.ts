import assert from "node:assert/strict";
import { noOldLogs } from "../../../verify/checks/no-old-logs.ts";
import { findingOf } from "../fake-clone.ts";

const HEADING = "boot: IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY\n";
const BOOT = "boot:  0 0123456789abcdef0123456789abcdef Fri 2026-01-02 03:03:00 UTC—Fri 2026-01-02 03:04:00 UTC\n";
const EARLIER = "boot: -1 fedcba9876543210fedcba9876543210 Thu 2026-01-01 03:03:00 UTC—Thu 2026-01-01 03:04:00 UTC\n";

describe("no-old-logs check", () => {
  it("passes one boot, with and without the heading of newer versions", async () => {
    const finding = await findingOf(noOldLogs, [`cloud-init: 1\n${BOOT}`, `cloud-init: 0\n${HEADING}${BOOT}`]);
    assert.equal(finding.ok, true);
  });

  for (const [answer, detail] of [
    [`old: /var/log/dpkg.log\n${BOOT}`, "/var/log/dpkg.log is older than this boot"],
    [`history: /root/.bash_history\n${BOOT}`, "/root/.bash_history holds what somebody typed"],
    [`cloud-init: 2\n${BOOT}`, "/var/log/cloud-init.log tells of 2 boots"],
    [`${EARLIER}${BOOT}`, "the journal knows 2 boots, not 1"],
    ["boot: No journal files were found.\n", "the journal knows 0 boots, not 1"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(noOldLogs, [answer]);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, `verify-a: ${detail}`);
    });
  }
});
