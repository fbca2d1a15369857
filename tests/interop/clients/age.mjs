// Decrypts files with age's own implementation for JavaScript, and encrypts a text with it.
import { Decrypter, Encrypter } from 'age-encryption';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const task = JSON.parse(readFileSync(0, 'utf8'));

const decrypter = new Decrypter();
decrypter.addIdentity(task.identity);
const digests = {};
for (const [name, path] of Object.entries(task.files)) {
  const plain = await decrypter.decrypt(new Uint8Array(readFileSync(path)));
  digests[name] = createHash('sha256').update(plain).digest('hex');
}

const encrypter = new Encrypter();
encrypter.addRecipient(task.recipient);
writeFileSync(task.out, await encrypter.encrypt(task.text));

console.log(JSON.stringify(digests));
