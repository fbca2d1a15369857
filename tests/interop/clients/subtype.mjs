// Whether the first type of each pair is a subtype of the second, as the platform's library has it.
import { IDL } from '@icp-sdk/core/candid';
import { readFileSync } from 'node:fs';

const leaves = {
  nat: IDL.Nat,
  int: IDL.Int,
  nat8: IDL.Nat8,
  text: IDL.Text,
  null: IDL.Null,
  reserved: IDL.Reserved,
  empty: IDL.Empty,
  principal: IDL.Principal,
};
const fields = (parts) =>
  Object.fromEntries(Object.entries(parts).map(([label, part]) => [label, typeOf(part)]));
const composites = {
  opt: (part) => IDL.Opt(typeOf(part)),
  vec: (part) => IDL.Vec(typeOf(part)),
  record: (parts) => IDL.Record(fields(parts)),
  variant: (parts) => IDL.Variant(fields(parts)),
  func: (args, results, modes) => IDL.Func(args.map(typeOf), results.map(typeOf), modes),
  service: (parts) => IDL.Service(fields(parts)),
  list: (part) => {
    const list = IDL.Rec();
    list.fill(IDL.Record({ head: typeOf(part), tail: IDL.Opt(list) }));
    return list;
  },
};
const typeOf = (tree) =>
  typeof tree === 'string' ? leaves[tree] : composites[tree[0]](...tree.slice(1));

const pairs = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(pairs.map(([lower, upper]) => IDL.subtype(typeOf(lower), typeOf(upper)))));
