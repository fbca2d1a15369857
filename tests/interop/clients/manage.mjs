// The life of a module, from its creation to its end, by management calls alone.
import { file, management, NO_ARGUMENTS, print, refusal, storeOf, agent, task } from './program.mjs';

const canisterId = await management.provisionalCreateCanisterWithCycles();
const empty = await management.canisterStatus({ canisterId });
const code = { canisterId, wasmModule: file(task.wasm), arg: NO_ARGUMENTS };
await management.installCode({ ...code, mode: { install: null } });
const again = await refusal(() => management.installCode({ ...code, mode: { install: null } }));
const running = await management.canisterStatus({ canisterId });
const asQuery = await management.canisterStatus({ canisterId, certified: false });

await management.updateSettings({
  canisterId,
  settings: {
    controllers: [...running.settings.controllers.map(String), canisterId.toText()],
    freezingThreshold: 86_400n,
    wasmMemoryLimit: 1_000_000_000n,
    environmentVariables: [{ name: 'STAGE', value: 'test' }],
  },
});
const { settings } = await management.canisterStatus({ canisterId });

const store = storeOf(agent, canisterId);
await refusal(() => store.set_document_and_trap('key', 'value'));
const logs = await management.fetchCanisterLogs(canisterId);

await management.stopCanister(canisterId);
const whileStopped = await refusal(() => store.set_document('key', 'value'));
const stopped = await management.canisterStatus({ canisterId });
await management.startCanister(canisterId);
await management.uninstallCode({ canisterId });
const uninstalled = await management.canisterStatus({ canisterId });
const whileRunning = await refusal(() => management.deleteCanister(canisterId));
await management.stopCanister(canisterId);
await management.deleteCanister(canisterId);

print({
  module: canisterId,
  empty,
  install_again: again,
  running,
  as_query: asQuery,
  settings,
  logs: logs.canister_log_records.map(({ content }) => Buffer.from(content).toString()),
  while_stopped: whileStopped,
  stopped: stopped.status,
  uninstalled: uninstalled.module_hash,
  delete_while_running: whileRunning,
  deleted: await refusal(() => management.canisterStatus({ canisterId })),
});
