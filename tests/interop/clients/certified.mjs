// A certified variable: the proof that a query brings along is verified as a certificate.
import { Actor, Certificate, lookupResultToBuffer } from '@icp-sdk/core/agent';
import { agent, module, print, refusal } from './program.mjs';

const actor = Actor.createActor(
  ({ IDL }) =>
    IDL.Service({
      certify: IDL.Func([IDL.Vec(IDL.Nat8)], [], []),
      certified: IDL.Func([], [IDL.Vec(IDL.Nat8), IDL.Opt(IDL.Vec(IDL.Nat8))], ['query']),
    }),
  { agent, canisterId: module },
);

const proven = async () => {
  const [value, [proof]] = await actor.certified();
  const certificate = await Certificate.create({
    certificate: proof,
    rootKey: agent.rootKey,
    principal: { canisterId: module },
    agent,
  });
  const path = ['canister', module.toUint8Array(), 'certified_data'];
  return { value, proven: lookupResultToBuffer(certificate.lookup_path(path)) };
};

const empty = await proven();
await actor.certify(new Uint8Array(32).fill(7));
print({
  empty,
  certified: await proven(),
  too_long: await refusal(() => actor.certify(new Uint8Array(33))),
  kept: await proven(),
});
