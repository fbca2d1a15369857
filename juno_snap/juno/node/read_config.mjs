// Runs a juno.config and writes what it exports, as JSON, into a file of the caller's.
// node read_config.mjs CONFIG MODE RESULT STRIPS; STRIPS is 1 where this Node removes types itself.
import { writeFileSync } from "node:fs";
import module from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PACKAGE, STAND_IN, initialize, load, resolve } from "./hooks.mjs";

const [file, mode, result, strips] = process.argv.slice(2);

// Both write into one pipe, and Node drops what a full one does not take when it ends with an error:
// the error itself. Blocking, they wait for the reader.
for (const stream of [process.stdout, process.stderr]) {
  stream._handle?.setBlocking?.(true);
}

/** Tell the caller and leave, whatever timers or servers the configuration has left running. */
const tell = (told) => {
  const json = JSON.stringify(told, (_, value) => (typeof value === "bigint" ? `${value}` : value));
  writeFileSync(result, json);
  process.exit(0);
};

const useHooks = () => {
  if (module.registerHooks === undefined) {
    module.register("./hooks.mjs", import.meta.url, { data: file }); // before Node 22.15
  } else {
    module.registerHooks({ resolve, load });
  }
  // What an imported CommonJS module requires does not come by these.
  const original = module._resolveFilename;
  module._resolveFilename = function (request, ...rest) {
    return request === PACKAGE ? fileURLToPath(STAND_IN) : original.call(this, request, ...rest);
  };
};

process.setSourceMapsEnabled(true);
if (!initialize(file) && file.endsWith(".ts") && strips !== "1") {
  tell({ problem: "no-typescript" });
}
useHooks();
const { default: exported } = await import(pathToFileURL(file));
// A default export that a compiler put into a CommonJS module stands one level deeper.
const chosen = exported?.__esModule === true ? exported.default : exported;
const config = await (typeof chosen === "function" ? chosen({ mode }) : chosen);
tell(config === undefined || config === null ? { problem: "no-export" } : { config });
