// Calls by a client whose clock is wrong: the library asks the replica for the time and goes on.
const RealDate = Date;
let skewMs = 0;
globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [Date.now()]));
  }

  static now() {
    return RealDate.now() + skewMs;
  }
};

const { agentOf, owner, print, storeOf, task } = await import('./program.mjs');
skewMs = task.skew_ms;
const agent = await agentOf(owner);
const store = storeOf(agent);
await store.set_document('key', 'value');
print({ document: await store.document('key'), difference_ms: agent.getTimeDiffMsecs() });
