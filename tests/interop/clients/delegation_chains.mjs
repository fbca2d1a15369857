// Chains of delegations to a session key, from owners of each kind, as JSON.
import { DelegationChain, ECDSAKeyIdentity, Ed25519KeyIdentity } from '@icp-sdk/core/identity';
import { Secp256k1KeyIdentity } from '@icp-sdk/core/identity/secp256k1';
import { Principal } from '@icp-sdk/core/principal';
import { readFileSync } from 'node:fs';

const { targets } = JSON.parse(readFileSync(0, 'utf8'));
const HOUR_MS = 3_600_000;
const session = Ed25519KeyIdentity.generate();

const chainOf = async (owner, { lifeMs = HOUR_MS, ...options } = {}) => {
  const until = new Date(Date.now() + lifeMs);
  const chain = await DelegationChain.create(owner, session.getPublicKey(), until, options);
  const principal = Principal.selfAuthenticating(new Uint8Array(chain.publicKey)).toText();
  return { chain: JSON.stringify(chain.toJSON()), principal };
};

const owner = Ed25519KeyIdentity.generate();
const middle = Ed25519KeyIdentity.generate();
const until = new Date(Date.now() + HOUR_MS);
const previous = await DelegationChain.create(owner, middle.getPublicKey(), until);

console.log(
  JSON.stringify({
    session: JSON.stringify(session.toJSON()),
    chains: {
      ed25519: await chainOf(owner),
      secp256k1: await chainOf(Secp256k1KeyIdentity.generate()),
      p256: await chainOf(await ECDSAKeyIdentity.generate()),
      two_links: await chainOf(middle, { previous }),
      for_management: await chainOf(owner, {
        targets: targets.map((target) => Principal.fromText(target)),
      }),
      expired: await chainOf(owner, { lifeMs: -HOUR_MS }),
    },
  }),
);
