// Updates, queries whose signatures are verified, and calls that are refused.
import { polling } from '@icp-sdk/core/agent';
import { IDL } from '@icp-sdk/core/candid';
import { agent, module, print, refusal, store } from './program.mjs';

await store.set_document('key', 'value');
const first = await store.document('key');

// The older way: the answer to the call says nothing, its outcome is asked for.
const sent = await agent.call(module, {
  methodName: 'set_document',
  arg: IDL.encode([IDL.Text, IDL.Text], ['polled', 'value']),
  callSync: false,
});
await polling.pollForResponse(agent, module, sent.requestId);

print({
  document: first,
  polled_http_status: sent.response.status,
  polled: await store.document('polled'),
  trap: await refusal(() => store.set_document_and_trap('key', 'lost')),
  after_trap: await store.document('key'),
  no_update: await refusal(() => store.no_such_update()),
  no_query: await refusal(() => store.no_such_query()),
});
