// Certified reads: what the library finds about a module and about its subnet.
import { CanisterStatus, SubnetStatus } from '@icp-sdk/core/agent';
import { Principal } from '@icp-sdk/core/principal';
import { agent, module, print } from './program.mjs';

const section = (name) => new CanisterStatus.CustomPath(name, name, 'utf-8');
const found = await CanisterStatus.request({
  agent,
  canisterId: module,
  paths: [
    'time',
    'controllers',
    'module_hash',
    'candid',
    'subnet',
    section('motoko:stable-types'),
    section('no-such-section'),
  ],
});
const subnetId = Principal.fromText(found.get('subnet').subnetId);
const subnet = await SubnetStatus.request({
  agent,
  subnetId,
  paths: ['time', 'publicKey', 'nodeKeys', 'canisterRanges'],
});

print({
  time: found.get('time'),
  controllers: found.get('controllers'),
  module_hash: found.get('module_hash'),
  candid: found.get('candid'),
  stable_types: found.get('motoko:stable-types'),
  absent: found.get('no-such-section') ?? null,
  subnet: subnetId,
  subnet_key: subnet.get('publicKey'),
  nodes: [...subnet.get('nodeKeys').keys()],
  ranges: subnet.get('canisterRanges'),
});
