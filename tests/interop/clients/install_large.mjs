// Installs a module that is too large for one message, by chunks.
import { file, management, module, NO_ARGUMENTS, print, refusal, sha256, task } from './program.mjs';

const CHUNK_BYTES = 1_048_576;

const wasm = file(task.wasm);
const hash = sha256(wasm);
const chunks = Array.from({ length: Math.ceil(wasm.length / CHUNK_BYTES) }, (_, number) =>
  wasm.slice(number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES),
);
const uploaded = await Promise.all(
  chunks.map((chunk) => management.uploadChunk({ canisterId: module, chunk })),
);
const stored = await management.storedChunks({ canisterId: module });
const code = {
  mode: { install: null },
  arg: NO_ARGUMENTS,
  targetCanisterId: module,
  chunkHashesList: uploaded,
  wasmModuleHash: hash,
};
const wrongHash = await refusal(() =>
  management.installChunkedCode({ ...code, wasmModuleHash: '00'.repeat(32) }),
);
await management.installChunkedCode(code);
await management.clearChunkStore({ canisterId: module });

print({
  hash,
  chunks: chunks.map(sha256),
  uploaded: uploaded.map(({ hash }) => hash),
  stored: stored.map(({ hash }) => hash),
  wrong_hash: wrongHash,
  after_clear: await management.storedChunks({ canisterId: module }),
  module_hash: (await management.canisterStatus({ canisterId: module })).module_hash,
});
