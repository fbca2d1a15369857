// Keys of each kind and delegations, each accepted or refused by the replica's own checks.
import {
  DelegationChain,
  DelegationIdentity,
  ECDSAKeyIdentity,
  Ed25519KeyIdentity,
} from '@icp-sdk/core/identity';
import { Secp256k1KeyIdentity } from '@icp-sdk/core/identity/secp256k1';
import { AnonymousIdentity } from '@icp-sdk/core/agent';
import { Principal } from '@icp-sdk/core/principal';
import { agentOf, module, owner, print, refusal, storeOf } from './program.mjs';

const HOUR_MS = 3_600_000;
const session = Ed25519KeyIdentity.generate();

const delegated = async (lifeMs, targets) => {
  const until = new Date(Date.now() + lifeMs);
  const chain = await DelegationChain.create(owner, session.getPublicKey(), until, { targets });
  return DelegationIdentity.fromDelegation(session, chain);
};

const tried = async (identity) => {
  const store = storeOf(await agentOf(identity, { retryTimes: 0 }));
  const refused = await refusal(async () => {
    await store.set_document('key', 'value');
    await store.document('key');
  });
  return { principal: identity.getPrincipal(), refused };
};

print({
  owner: owner.getPrincipal(),
  ed25519: await tried(owner),
  secp256k1: await tried(Secp256k1KeyIdentity.generate()),
  p256: await tried(await ECDSAKeyIdentity.generate()),
  anonymous: await tried(new AnonymousIdentity()),
  delegated: await tried(await delegated(HOUR_MS)),
  delegated_for_module: await tried(await delegated(HOUR_MS, [module])),
  delegated_for_another: await tried(await delegated(HOUR_MS, [Principal.fromText('aaaaa-aa')])),
  delegation_expired: await tried(await delegated(-HOUR_MS)),
});
