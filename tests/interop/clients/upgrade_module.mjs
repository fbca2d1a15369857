// An upgrade by Juno's own admin library, with the snapshot that it takes before.
import { upgradeModule } from '@junobuild/admin';
import { agent, file, module, NO_ARGUMENTS, owner, print, refusal, task } from './program.mjs';

const steps = [];
const persistence = task.persistence ? [{ [task.persistence]: null }] : [];
const refused = await refusal(() =>
  upgradeModule({
    actor: { identity: owner, container: task.url, agent },
    canisterId: module,
    wasmModule: file(task.wasm),
    arg: NO_ARGUMENTS,
    mode: { upgrade: [{ skip_pre_upgrade: [false], wasm_memory_persistence: persistence }] },
    takeSnapshot: true,
    onProgress: ({ step, state }) => steps.push(`${step} ${state}`),
  }),
);
print({ refused, steps });
