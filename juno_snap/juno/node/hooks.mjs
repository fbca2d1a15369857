// How modules are found and read while a juno.config is run; see read_config.mjs.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const PACKAGE = "@junobuild/config";
export const STAND_IN = new URL("./config_package.cjs", import.meta.url);

let toJavaScript;

/** Look for what the project turns TypeScript into JavaScript with; whether there is something. */
export const initialize = (file) => {
  if (!file.endsWith(".ts")) {
    return false;
  }
  const require = createRequire(file);
  toJavaScript = withTypescript(require) ?? withEsbuild(require);
  return toJavaScript !== undefined;
};

export const resolve = (specifier, context, next) =>
  specifier === PACKAGE ? { url: STAND_IN.href, shortCircuit: true } : next(specifier, context);

export const load = (url, context, next) => {
  if (toJavaScript === undefined || !/^file:.*\.m?ts$/.test(url)) {
    return next(url, context);
  }
  return { format: "module", source: toJavaScript(fileURLToPath(url)), shortCircuit: true };
};

const optional = (require, name) => {
  try {
    return require(name);
  } catch {
    return undefined;
  }
};

const withTypescript = (require) => {
  const typescript = optional(require, "typescript");
  if (typeof typescript?.transpileModule !== "function") {
    return undefined; // there is none, or one that does not offer it (7 and later)
  }
  const { ModuleKind, ScriptTarget } = typescript;
  const compilerOptions = {
    module: ModuleKind.ESNext,
    target: ScriptTarget.ES2022,
    inlineSourceMap: true,
  };
  return (fileName) => {
    const { outputText, diagnostics } = typescript.transpileModule(
      typescript.sys.readFile(fileName),
      { fileName, compilerOptions, reportDiagnostics: true },
    );
    for (const { file, start, messageText } of diagnostics) {
      const line = file === undefined ? "" : `:${file.getLineAndCharacterOfPosition(start).line + 1}`;
      throw new SyntaxError(
        `${typescript.flattenDiagnosticMessageText(messageText, " ")} (${fileName}${line})`,
      );
    }
    return outputText;
  };
};

const withEsbuild = (require) => {
  const esbuild = optional(require, "esbuild");
  if (esbuild === undefined) {
    return undefined;
  }
  const { readFileSync } = require("node:fs");
  return (sourcefile) =>
    esbuild.transformSync(readFileSync(sourcefile, "utf8"), {
      loader: "ts",
      format: "esm",
      sourcemap: "inline",
      sourcefile,
    }).code;
};
