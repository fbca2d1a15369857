// What somebody who does not control a module is told.
import { management, module as canisterId, print, refusal } from './program.mjs';

print({
  status: await refusal(() => management.canisterStatus({ canisterId })),
  stop: await refusal(() => management.stopCanister(canisterId)),
  snapshot: await refusal(() => management.takeCanisterSnapshot({ canisterId })),
  list: await refusal(() => management.listCanisterSnapshots({ canisterId })),
});
