// What the library says of a replica whose root key is not the one it was told.
import { CanisterStatus } from '@icp-sdk/core/agent';
import { agent, module, print, refusal, store } from './program.mjs';

print({
  update: await refusal(() => store.set_document('key', 'value')),
  query: await refusal(() => store.document('key')),
  state: await refusal(() =>
    CanisterStatus.request({ agent, canisterId: module, paths: ['controllers'] }),
  ),
});
