// Makes hostile_certificates.json: certificates that are wrong in exactly one way, and good ones.
//
// Written from the interface specification ("Certification") alone: trees, CBOR and BLS signatures
// are made here, with noble curves and Node's SHA-256, and not by juno-snap. Run it where the npm
// packages are:  cd tests/interop && node ../vectors/make_hostile_certificates.mjs > FILE
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

const { bls12_381 } = createRequire(`${process.cwd()}/`)('@noble/curves/bls12-381');
const bls = bls12_381.shortSignatures;

// Bytes

const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const sha256 = (...parts) => createHash('sha256').update(bytes(...parts)).digest();
const separator = (text) => bytes([text.length], text);

const leb128 = (number) => {
  const out = [];
  for (let rest = BigInt(number); ; rest >>= 7n) {
    const last = rest < 128n;
    out.push(Number(rest & 127n) | (last ? 0 : 128));
    if (last) return bytes(out);
  }
};

// CBOR

const head = (major, size) => {
  if (size < 24) return bytes([(major << 5) | size]);
  if (size < 256) return bytes([(major << 5) | 24, size]);
  return bytes([(major << 5) | 25, size >> 8, size & 255]);
};
const cbor = (value) => {
  if (typeof value === 'number') return head(0, value);
  if (typeof value === 'string') return bytes(head(3, value.length), value);
  if (value instanceof Uint8Array) return bytes(head(2, value.length), value);
  if (Array.isArray(value)) return bytes(head(4, value.length), ...value.map(cbor));
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return bytes(head(5, entries.length), ...entries.flatMap(([key, each]) => [cbor(key), cbor(each)]));
};
const described = (value) => bytes([0xd9, 0xd9, 0xf7], cbor(value));

// Hash trees

const EMPTY = [0];
const fork = (left, right) => [1, left, right];
const labeled = (label, tree) => [2, bytes(label), tree];
const leaf = (value) => [3, bytes(value)];
const hash = (tree) => {
  switch (tree[0]) {
    case 0: return sha256(separator('ic-hashtree-empty'));
    case 1: return sha256(separator('ic-hashtree-fork'), hash(tree[1]), hash(tree[2]));
    case 2: return sha256(separator('ic-hashtree-labeled'), tree[1], hash(tree[2]));
    case 3: return sha256(separator('ic-hashtree-leaf'), tree[1]);
    case 4: return tree[1];
    default: return sha256();
  }
};
const pruned = (tree) => [4, hash(tree)];
const forest = (nodes) => {
  if (nodes.length === 0) return EMPTY;
  if (nodes.length === 1) return nodes[0];
  const middle = nodes.length >> 1;
  return fork(forest(nodes.slice(0, middle)), forest(nodes.slice(middle)));
};
// Labels and subtrees in any order; null leaves a label out.
const level = (...entries) =>
  forest(
    entries
      .filter((entry) => entry !== null)
      .map(([label, tree]) => labeled(label, tree))
      .sort((one, other) => Buffer.compare(one[1], other[1])),
  );

// Keys

const DER_PREFIX = Buffer.from(
  '308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100', 'hex');
const secretOf = (name) => bytes([0], sha256(`hostile certificates: ${name}`).subarray(1));
const publicKey = (name) => bytes(DER_PREFIX, bls.getPublicKey(secretOf(name)).toBytes(true));
const subnetId = (key) => bytes(createHash('sha224').update(key).digest(), [2]);
const DST = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';
const sign = (name, message) =>
  bytes(bls.Signature.toBytes(bls.sign(bls.hash(message, DST), secretOf(name))));

// What is certified

const NOW = 1_800_000_000_000_000_000n;
const SECOND = 1_000_000_000n;
const DAY = 86_400n * SECOND;
const canister = (number) => {
  const id = Buffer.alloc(10);
  id.writeBigUInt64BE(BigInt(number));
  id[8] = id[9] = 1;
  return id;
};
const CANISTER = canister(0x200);
const REQUEST = sha256('the call');
const OTHER_REQUEST = sha256('another call');
const SUBNET = subnetId(publicKey('subnet'));
const OTHER_SUBNET = subnetId(publicKey('other subnet'));

const status = (fields) => level(...Object.entries(fields).map(([key, value]) => [key, leaf(value)]));
const REPLIED = status({ reply: 'DIDL\x00\x00', status: 'replied' });
const time = (at = NOW) => ['time', leaf(leb128(at))];
const requests = (call = REPLIED) => [
  'request_status',
  level([REQUEST, call], [OTHER_REQUEST, pruned(REPLIED)]),
];
const state = (...entries) => level(...(entries.length ? entries : [requests(), time()]));

const ranges = (...pairs) => leaf(described(pairs.map(([low, high]) => [canister(low), canister(high)])));
const shards = (...lists) => level(...lists.map((pairs) => [canister(pairs[0][0]), ranges(...pairs)]));
const HERE = [0x100, 0x2ff];
const sharded = (id = SUBNET, tree = shards([HERE])) => ['canister_ranges', level([id, tree])];
const subnet = (id = SUBNET, key = leaf(publicKey('subnet')), flat = null) => [
  'subnet',
  level([id, level(['public_key', key], flat && ['canister_ranges', flat])]),
];
const rootState = (...entries) => level(...(entries.length ? entries : [sharded(), subnet(), time()]));

// Certificates

const certificate = (tree, signer, { delegation, message, signature } = {}) =>
  described({
    tree,
    signature: signature ?? sign(signer, message ?? bytes(separator('ic-state-root'), hash(tree))),
    delegation,
  });
const delegation = (inner = certificate(rootState(), 'root'), id = SUBNET) => ({
  subnet_id: id,
  certificate: inner,
});
// Of the subnet, which the root subnet speaks for: `tree` or what the root says may be replaced.
const delegated = (tree = state(), inner = undefined, id = SUBNET) =>
  certificate(tree, 'subnet', { delegation: delegation(inner, id) });
const rootSays = (...entries) => delegated(state(), certificate(rootState(...entries), 'root'));
const plain = (tree, options) => certificate(tree, 'root', options);

const good = {
  'of the root subnet': plain(state()),
  'of another subnet': delegated(),
  'of another subnet, ranges in one leaf': rootSays(
    subnet(SUBNET, leaf(publicKey('subnet')), ranges(HERE)), time()),
  'of another subnet, in the second of three shards': rootSays(
    sharded(SUBNET, shards([[0, 0xff]], [HERE], [[0x300, 0x400]])), subnet(), time()),
  'almost five minutes old': plain(state(requests(), time(NOW - 299n * SECOND))),
  'almost five minutes ahead': plain(state(requests(), time(NOW + 299n * SECOND))),
  'of another subnet, delegated last month': rootSays(sharded(), subnet(), time(NOW - 29n * DAY)),
};

const whole = plain(state());
const swapped = (tree) => fork(tree[2], tree[1]);
const changed = (tree, value) => plain(tree, {
  message: bytes(separator('ic-state-root'), hash(value)),
});
// x = 4 has a point on the curve of G1, which is not in the subgroup of the right order.
const wrongGroup = bytes([0x80], Buffer.alloc(46), [4]);
const atInfinity = bytes([0xc0], Buffer.alloc(47));

const hostile = {
  // It is no certificate.
  'cut short': whole.subarray(0, whole.length - 1),
  'something behind it': bytes(whole, [0]),
  'no tree': described({ signature: Buffer.alloc(48) }),
  'no signature': described({ tree: state() }),
  'a signature that is text': described({ tree: state(), signature: 'signed' }),
  'an unknown kind of node': plain(state(requests([5, Buffer.alloc(32)]), time())),
  'a digest of 31 bytes': plain(state(requests([4, Buffer.alloc(31)]), time())),
  'a fork of one': changed([1, state()], state()),
  'labels in the wrong order': plain(swapped(state())),
  'a label twice': plain(fork(state(requests(), time()), labeled(...time()))),
  'a value beside labels': plain(fork(leaf('1'), state())),
  'a wrong order further below': plain(
    state(['request_status', swapped(requests()[1])], time())),
  // The signature.
  'signed by another key': certificate(state(), 'stranger'),
  'a reply changed after signing': changed(
    state(requests(status({ reply: 'DIDL\x00\x01', status: 'replied' })), time()), state()),
  'a time changed after signing': changed(state(requests(), time(NOW + 1n)), state()),
  'signed as something else than a state': plain(state(), {
    message: bytes(separator('ic-request'), hash(state())),
  }),
  'signed without a separator': plain(state(), { message: hash(state()) }),
  'a signature of 47 bytes': plain(state(), {
    signature: sign('root', bytes(separator('ic-state-root'), hash(state()))).subarray(1),
  }),
  'a signature outside the group': plain(state(), { signature: wrongGroup }),
  'a signature at infinity': plain(state(), { signature: atInfinity }),
  'a subnet without its delegation': certificate(state(), 'subnet'),
  'the root key with a delegation': certificate(state(), 'root', { delegation: delegation() }),
  // The delegation.
  'a delegation that a stranger signed': delegated(state(), certificate(rootState(), 'stranger')),
  'a delegation that the subnet signed itself': delegated(
    state(), certificate(rootState(), 'subnet')),
  'a delegation that rests on another': delegated(
    state(), certificate(rootState(), 'root', { delegation: delegation() })),
  'a delegation for another subnet': rootSays(
    sharded(), subnet(OTHER_SUBNET, leaf(publicKey('other subnet'))), time()),
  'a delegation with another subnet id': delegated(state(), undefined, OTHER_SUBNET),
  'a subnet id of 30 bytes': delegated(state(), undefined, bytes(SUBNET, [0])),
  'a delegation that is no certificate': delegated(state(), bytes('no certificate')),
  'a delegation without an order': delegated(state(), certificate(swapped(rootState()), 'root')),
  'a delegation that hides the key': rootSays(
    sharded(), subnet(SUBNET, pruned(leaf(publicKey('subnet')))), time()),
  'a subnet key of another algorithm': rootSays(
    sharded(),
    subnet(SUBNET, leaf(bytes([0x30, 0x82], publicKey('subnet').subarray(2)))),
    time()),
  'a subnet key cut short': rootSays(
    sharded(), subnet(SUBNET, leaf(publicKey('subnet').subarray(0, 132))), time()),
  'a delegation without a time': rootSays(sharded(), subnet()),
  'a delegation of last month and two days': rootSays(sharded(), subnet(), time(NOW - 32n * DAY)),
  'a delegation of tomorrow': rootSays(sharded(), subnet(), time(NOW + DAY)),
  // The canister.
  'a canister below the range': rootSays(sharded(SUBNET, shards([[0x201, 0x2ff]])), subnet(), time()),
  'a canister above the range': rootSays(sharded(SUBNET, shards([[0x100, 0x1ff]])), subnet(), time()),
  'a canister between two shards': rootSays(
    sharded(SUBNET, shards([[0x100, 0x1ff]], [[0x201, 0x2ff]])), subnet(), time()),
  'a canister in the older ranges only': rootSays(
    sharded(SUBNET, shards([[0x300, 0x3ff]])),
    subnet(SUBNET, leaf(publicKey('subnet')), ranges(HERE)),
    time()),
  'a canister outside the older ranges': rootSays(
    subnet(SUBNET, leaf(publicKey('subnet')), ranges([0x300, 0x3ff])), time()),
  'no ranges at all': rootSays(subnet(), time()),
  'ranges of another subnet only': rootSays(sharded(OTHER_SUBNET), subnet(), time()),
  'hidden ranges': rootSays(
    sharded(SUBNET, pruned(shards([HERE]))), subnet(), time()),
  'a hidden shard': rootSays(
    sharded(SUBNET, level([canister(0x10), ranges([0x10, 0x20])], [canister(0x100), pruned(ranges(HERE))])),
    subnet(), time()),
  'a range with one end': rootSays(
    sharded(SUBNET, level([canister(0x100), leaf(described([[canister(0x100)]]))])), subnet(), time()),
  'ranges that are no CBOR': rootSays(
    sharded(SUBNET, level([canister(0x100), leaf([0xff])])), subnet(), time()),
  // The time.
  'six minutes old': plain(state(requests(), time(NOW - 360n * SECOND))),
  'six minutes ahead': plain(state(requests(), time(NOW + 360n * SECOND))),
  'no time': plain(state(requests())),
  'a hidden time': plain(fork(labeled(...requests()), pruned(labeled(...time())))),
  'a time that never ends': plain(state(requests(), ['time', leaf([0x80])])),
  'a time with labels': plain(state(requests(), ['time', level(['now', leaf('1')])])),
  // What is said of the call, in certificates that hold.
  'a hidden status': plain(state(['request_status', pruned(requests()[1])], time())),
  'a hidden call': plain(state(
    ['request_status', fork(pruned(labeled(REQUEST, REPLIED)), labeled(bytes([0xff]), REPLIED))],
    time())),
  'an unknown status': plain(state(requests(status({ status: 'paid' })), time())),
  'a status that is no text': plain(state(requests(status({ status: [0xff] })), time())),
  'a status with labels': plain(
    state(requests(level(['status', level(['replied', leaf('')])])), time())),
  'a reply that is missing': plain(state(requests(status({ status: 'replied' })), time())),
  'a hidden reply': plain(state(
    requests(level(['reply', pruned(leaf('x'))], ['status', leaf('replied')])), time())),
  'a reject without a code': plain(state(requests(status({ status: 'rejected' })), time())),
  'a reject code that never ends': plain(
    state(requests(status({ status: 'rejected', reject_code: [0x80] })), time())),
  'a hidden reject message': plain(state(
    requests(level(['reject_code', leaf([4])], ['reject_message', pruned(leaf('no'))],
      ['status', leaf('rejected')])),
    time())),
};

const hexed = (certificates) =>
  Object.fromEntries(Object.entries(certificates).map(([name, data]) => [name, data.toString('hex')]));
process.stdout.write(`${JSON.stringify({
  about: 'Made by make_hostile_certificates.mjs, which says what is wrong with each.',
  root_key: publicKey('root').toString('hex'),
  other_root_key: publicKey('stranger').toString('hex'),
  subnet: SUBNET.toString('hex'),
  canister: CANISTER.toString('hex'),
  request: REQUEST.toString('hex'),
  now_ns: NOW.toString(),
  good: hexed(good),
  hostile: hexed(hostile),
}, null, 1)}\n`);
