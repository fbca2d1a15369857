// What the platform's library says of each certificate, at the time for which it was made.
import { Certificate, LookupPathStatus } from '@icp-sdk/core/agent';
import { Principal } from '@icp-sdk/core/principal';
import { readFileSync } from 'node:fs';

const task = JSON.parse(readFileSync(0, 'utf8'));
const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));
const now = Number(BigInt(task.now_ns) / 1_000_000n);
globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length ? given : [now]));
  }
};

const verdict = async (certificate) => {
  try {
    const verified = await Certificate.create({
      certificate: bytes(certificate),
      rootKey: bytes(task.root_key),
      principal: { canisterId: Principal.fromUint8Array(bytes(task.canister)) },
    });
    const path = ['request_status', bytes(task.request)];
    const status = verified.lookup_path([...path, 'status']);
    const reply = verified.lookup_path([...path, 'reply']);
    return status.status === LookupPathStatus.Found && reply.status === LookupPathStatus.Found
      ? 'replied'
      : 'no reply';
  } catch (error) {
    return `refused: ${error.message}`;
  }
};

const verdicts = {};
for (const [name, certificate] of Object.entries({ ...task.good, ...task.hostile })) {
  verdicts[name] = await verdict(certificate);
}
process.stdout.write(JSON.stringify(verdicts));
