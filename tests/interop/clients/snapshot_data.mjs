// Reads a whole snapshot and uploads it as one of another canister, which then has the data.
import { Principal } from '@icp-sdk/core/principal';
import { agent, management, module as canisterId, print, sha256, storeOf, task } from './program.mjs';

const SLICE_BYTES = 2_000_000n;

const snapshotId = new Uint8Array(Buffer.from(task.snapshot, 'hex'));
const other = Principal.fromText(task.other);
const metadata = await management.readCanisterSnapshotMetadata({ canisterId, snapshotId });
const sizes = {
  wasmModule: metadata.wasmModuleSize,
  wasmMemory: metadata.wasmMemorySize,
  stableMemory: metadata.stableMemorySize,
};

const slices = (size) =>
  Array.from({ length: Number((size + SLICE_BYTES - 1n) / SLICE_BYTES) }, (_, number) => {
    const offset = BigInt(number) * SLICE_BYTES;
    return { offset, size: size - offset < SLICE_BYTES ? size - offset : SLICE_BYTES };
  });

const read = (kind) => management.readCanisterSnapshotData({ canisterId, snapshotId, kind });
const parts = {};
for (const [part, size] of Object.entries(sizes)) {
  const answers = await Promise.all(slices(size).map((slice) => read({ [part]: slice })));
  parts[part] = Buffer.concat(answers.map(({ chunk }) => chunk));
}
const chunks = [];
for (const { hash } of metadata.wasmChunkStore) {
  chunks.push((await read({ wasmChunk: { hash } })).chunk);
}

const { snapshot_id: uploaded } = await management.uploadCanisterSnapshotMetadata({
  canisterId: other,
  metadata,
});
const target = { canisterId: other, snapshotId: uploaded };
for (const [part, bytes] of Object.entries(parts)) {
  for (const { offset, size } of slices(sizes[part])) {
    const chunk = new Uint8Array(bytes.subarray(Number(offset), Number(offset + size)));
    await management.uploadCanisterSnapshotData({ ...target, kind: { [part]: { offset } }, chunk });
  }
}
for (const chunk of chunks) {
  await management.uploadCanisterSnapshotData({ ...target, kind: { wasmChunk: null }, chunk });
}
await management.loadCanisterSnapshot(target);

print({
  metadata,
  sha256: Object.fromEntries(Object.entries(parts).map(([part, bytes]) => [part, sha256(bytes)])),
  chunks: chunks.map(sha256),
  uploaded_id: uploaded,
  uploaded: await management.readCanisterSnapshotMetadata(target),
  document: await storeOf(agent, other).document('key'),
});
