// Takes, lists, loads, replaces and deletes snapshots of a running store.
import { management, module as canisterId, print, refusal, store } from './program.mjs';

const stoppedFor = async (work) => {
  await management.stopCanister(canisterId);
  const result = await work();
  await management.startCanister(canisterId);
  return result;
};

await store.set_document('key', 'before');
const taken = await stoppedFor(() => management.takeCanisterSnapshot({ canisterId }));
const listed = await management.listCanisterSnapshots({ canisterId });
await store.set_document('key', 'after');
await stoppedFor(() => management.loadCanisterSnapshot({ canisterId, snapshotId: taken.id }));
const loaded = await store.document('key');

const replaced = await stoppedFor(() =>
  management.takeCanisterSnapshot({ canisterId, snapshotId: taken.id }),
);
const afterReplacement = await management.listCanisterSnapshots({ canisterId });
const gone = await refusal(() =>
  management.deleteCanisterSnapshot({ canisterId, snapshotId: taken.id }),
);
await management.deleteCanisterSnapshot({ canisterId, snapshotId: replaced.id });

print({
  taken,
  listed,
  loaded,
  replaced: replaced.id,
  after_replacement: afterReplacement.map(({ id }) => id),
  gone,
  after_deletion: await management.listCanisterSnapshots({ canisterId }),
});
