"""The Juno project that a command is run in: its ``juno.config``, read once and only if needed.

A file that is code is run where a target, or the address of Juno's emulator, has to be known from
it: never for help, for other commands, or for a module that is said in another way.
"""

from pathlib import Path
from typing import Final

from juno_snap.juno.config import JunoConfig, find_configs, is_code, read_json
from juno_snap.juno.config_code import run_config
from juno_snap.settings.paths import check_owner

TRUST: Final = "if you trust it, copy it into a folder of yours, or say --module ID"


class Project:
    """The project of a working directory, in one mode."""

    def __init__(self, working_directory: Path, mode: str) -> None:
        self.working_directory = working_directory
        self.mode = mode
        self._config: JunoConfig | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Its configurations; the first one counts. None may be there.

        Raises:
            ConfigError: The first one is somebody else's.
        """
        found = find_configs(self.working_directory)
        for file in found[:1]:
            check_owner(file, self.working_directory, hint=TRUST)
        return found

    async def config(self) -> JunoConfig | None:
        """What its file says; None where there is no file. Runs one that is code, once.

        Raises:
            ConfigError: The file is wrong, or cannot be run; says what to do.
        """
        if self._config is None:
            for file in self.files[:1]:
                code = is_code(file)
                self._config = await run_config(file, self.mode) if code else read_json(file)
        return self._config

    def known_config(self) -> JunoConfig | None:
        """The same without running anything: None where the file is code not run before.

        Raises:
            ConfigError: The file is wrong.
        """
        files = self.files
        if self._config is None and files and not is_code(files[0]):
            self._config = read_json(files[0])
        return self._config
