import assert from "node:assert/strict";
import { aptProgress } from "../../../builders/packages/apt-progress.ts";

describe("apt's progress", () => {
  it("adds up what is fetched, over both of mmdebstrap's runs of apt", () => {
    const progress = aptProgress();
    const lines = [
      "Get:1 http://m.example/debian bookworm InRelease [151 kB]",
      "Need to get 1.5 kB of archives.",
      "Get:1 http://m.example/debian bookworm/main amd64 gcc-12-base amd64 12.2.0-14 [500 B]",
      "Get:2 http://m.example/debian bookworm/main amd64 libc6 amd64 2.36 [1,000 B]",
      "Fetched 1500 B in 0s (30.2 MB/s)",
      "Need to get 500 B/2 MB of archives.",
      "Get:1 http://m.example/debian bookworm/main amd64 dbus amd64 1.14 [2.1 MB]",
    ];
    assert.deepEqual(
      lines.map(progress).filter((each) => each !== undefined),
      [
        { doneBytes: 0, totalBytes: 1500 },
        { doneBytes: 500, totalBytes: 1500 },
        { doneBytes: 1500, totalBytes: 1500 },
        { doneBytes: 1500, totalBytes: 2_001_500 },
        { doneBytes: 2_001_500, totalBytes: 2_001_500 },
      ],
    );
  });
});
