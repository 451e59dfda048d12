import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { zip } from "./zip";

const READ = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    print(json.dumps({i.filename: [i.compress_type, archive.read(i).decode("latin1")] for i in archive.infolist()}))
`;

test("another reader finds every file with its bytes, whatever letters its name has", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const archive = await zip([
    { name: "masks/Äpfel 1.png", bytes: bytes("not really a png") },
    { name: "annotations.json", bytes: bytes("[]".repeat(500)) },
  ]);
  const folder = mkdtempSync(join(tmpdir(), "anymask-zip-"));
  try {
    const path = join(folder, "out.zip");
    writeFileSync(path, new Uint8Array(await archive.arrayBuffer()));
    const listing = JSON.parse(execFileSync("python3", ["-c", READ, path], { encoding: "utf-8" }));
    expect(listing).toEqual({
      "masks/Äpfel 1.png": [0, "not really a png"],
      "annotations.json": [8, "[]".repeat(500)],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("more files than the format counts are refused", async () => {
  const file = { name: "a.png", bytes: new Uint8Array() };
  await expect(zip(Array(65_536).fill(file))).rejects.toThrow("65535 files");
});
