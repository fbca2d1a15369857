// What Juno's command line makes of the metadata.json files it is given: revived as it revives
// them, held against its schema, and written again as it writes them.
// The schema says in its own way what src/schema/snapshot.schema.ts of junobuild/cli says; on npm
// there is only a release from before there were snapshots.
import { jsonReplacer, jsonReviver } from '@dfinity/utils';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const big = z.bigint();
const bytes = z.custom((value) => value instanceof Uint8Array);
const oneOf = (members) =>
  z.union(Object.entries(members).map(([name, type]) => z.object({ [name]: type })));
const nulls = (...names) => oneOf(Object.fromEntries(names.map((name) => [name, z.null()])));

const number = z.number();
const global = oneOf({ i32: number, i64: big, f32: number, f64: number, v128: big });
const sizes = ['wasmModuleSize', 'wasmMemorySize', 'stableMemorySize'];
const metadata = z.strictObject({
  ...Object.fromEntries(sizes.map((name) => [name, big])),
  canisterVersion: big,
  takenAtTimestamp: big,
  certifiedData: bytes,
  globals: z.array(global),
  wasmChunkStore: z.array(z.object({ hash: bytes })),
  source: oneOf({ takenFromCanister: z.unknown(), metadataUpload: z.unknown() }),
  globalTimer: oneOf({ active: big, inactive: z.null() }).optional(),
  onLowWasmMemoryHookStatus: nulls('conditionNotSatisfied', 'executed', 'ready').optional(),
});
const names = ['wasm-code.bin', 'heap.bin', 'stable.bin', 'chunks-store.bin'];
const file = z.strictObject({ filename: z.enum(names), size: big, hash: z.hash('sha256') });
const parts = ['wasmModule', 'wasmMemory', 'stableMemory', 'wasmChunkStore'];
const data = z.strictObject(Object.fromEntries(parts.map((name) => [name, file.nullable()])));
const snapshot = z.strictObject({ snapshotId: z.string(), metadata, data });

const told = (text) => {
  const revived = JSON.parse(text, jsonReviver);
  const { success, error } = snapshot.safeParse(revived);
  const again = JSON.stringify(revived, jsonReplacer, 2);
  return { ok: success, where: error?.issues[0].path.join('.') ?? null, again };
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(told)));
