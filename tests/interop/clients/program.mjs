// What every program here begins with: its task is JSON on its input, its answer JSON on its output.
import { IcManagementCanister } from '@icp-sdk/canisters/ic-management';
import { Actor, HttpAgent } from '@icp-sdk/core/agent';
import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';
import { Principal } from '@icp-sdk/core/principal';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const NO_ARGUMENTS = new Uint8Array(Buffer.from('DIDL\0\0'));

export const task = JSON.parse(readFileSync(0, 'utf8'));
export const owner = Ed25519KeyIdentity.generate(fromHex(task.seed));
export const module = task.module && Principal.fromText(task.module);

// An agent that knows the root key, or asks the replica for it when the task has none.
export const agentOf = (identity, options = {}) =>
  HttpAgent.create({
    host: task.url,
    identity,
    ...(task.root_key ? { rootKey: fromHex(task.root_key) } : { shouldFetchRootKey: true }),
    ...options,
  });

export const storeOf = (agent, canisterId = module) =>
  Actor.createActor(
    ({ IDL }) =>
      IDL.Service({
        set_document: IDL.Func([IDL.Text, IDL.Text], [], []),
        set_document_and_trap: IDL.Func([IDL.Text, IDL.Text], [], []),
        document: IDL.Func([IDL.Text], [IDL.Opt(IDL.Text)], ['query']),
        no_such_update: IDL.Func([], [], []),
        no_such_query: IDL.Func([], [], ['query']),
      }),
    { agent, canisterId },
  );

export const agent = await agentOf(owner);
export const management = IcManagementCanister.create({ agent });
export const store = module && storeOf(agent);

export const file = (path) => new Uint8Array(readFileSync(path));
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
export const print = (value) => console.log(JSON.stringify(value, plain));

// What a call is refused with, as the library tells it; null when it is not.
export const refusal = async (call) => {
  try {
    await call();
    return null;
  } catch (error) {
    const code = error.code ?? {};
    return {
      kind: code.name ?? error.name,
      error_code: code.rejectErrorCode,
      message: code.rejectMessage ?? error.message,
    };
  }
};

function fromHex(text) {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function plain(key, value) {
  const original = this[key];
  if (original instanceof Principal) return original.toText();
  if (original instanceof Uint8Array) return Buffer.from(original).toString('hex');
  return typeof value === 'bigint' ? value.toString() : value;
}
