// Token stores as Juno's CLI has them written, by the package that it uses and with its options.
import Conf from 'conf';
import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';
import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';

const task = JSON.parse(readFileSync(0, 'utf8'));

// What versions before 10.2 of the package wrote: the text of the IV is the salt.
const encryptAsOnce = (path, password) => {
  const plain = readFileSync(path);
  const iv = randomBytes(16);
  const key = pbkdf2Sync(password, iv.toString(), 10_000, 32, 'sha512');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  writeFileSync(path, Buffer.concat([iv, Buffer.from(':'), cipher.update(plain), cipher.final()]));
};

const written = task.map(({ name, seed, password, old, ...segments }) => {
  const identity = Ed25519KeyIdentity.generate(new Uint8Array(Buffer.from(seed, 'hex')));
  const conf = new Conf({
    projectName: name,
    projectSuffix: 'nodejs',
    configName: 'config',
    fileExtension: 'json',
    schema: { token: { type: 'array' }, satellites: { type: 'array' } },
    ...(password && !old && { encryptionKey: password }),
  });
  conf.set('token', identity.toJSON());
  for (const [key, value] of Object.entries(segments)) conf.set(key, value);
  if (old) encryptAsOnce(conf.path, password);
  chmodSync(conf.path, 0o600);
  return {
    path: conf.path,
    principal: identity.getPrincipal().toText(),
    token: btoa(JSON.stringify({ token: identity.toJSON() })),
  };
});

console.log(JSON.stringify(written));
