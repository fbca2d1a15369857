// Compiles one Motoko file: node compile_motoko.cjs SOURCE OUTPUT [classical]
'use strict';

const fs = require('node:fs');
const motoko = require('motoko');

const [source, output, persistence] = process.argv.slice(2);
if (persistence === 'classical') {
  motoko.compiler.gcFlags('classicOP');
}
motoko.setPublicMetadata(['candid:service', 'motoko:stable-types']);
motoko.write('Main.mo', fs.readFileSync(source, 'utf8'));
try {
  fs.writeFileSync(output, motoko.wasm('Main.mo', 'ic').wasm);
} catch {
  console.error(JSON.stringify(motoko.check('Main.mo'), null, 2));
  process.exit(1);
}
