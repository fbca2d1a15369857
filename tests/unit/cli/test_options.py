"""Options written once are options of each command."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from juno_snap.cli.options import spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Options that many commands share."""

    wind: Annotated[int, typer.Option("-w", "--wind")] = 3
    rain: Annotated[bool, typer.Option("--rain")] = False


def test_a_dataclass_is_spread_into_options_and_filled():
    app = typer.Typer()
    seen = []

    @app.command()
    @spread
    def sail(weather: Weather, boat: str, speed: int = 5) -> None:
        """Sail."""
        seen.append((weather, boat, speed))

    ran = CliRunner().invoke(app, ["dinghy", "-w", "7", "--rain", "--speed", "9"])
    assert ran.exit_code == 0, ran.output
    assert seen == [(Weather(wind=7, rain=True), "dinghy", 9)]
    CliRunner().invoke(app, ["dinghy"])
    assert seen[1] == (Weather(), "dinghy", 5)
    assert "Sail." in CliRunner().invoke(app, ["--help"]).output


def test_an_option_of_the_commands_own_takes_the_place_of_a_shared_one():
    app = typer.Typer()
    seen = []

    @app.command()
    @spread
    def sail(weather: Weather, wind: Annotated[str, typer.Option("--wind")] = "calm") -> None:
        """Sail."""
        seen.append((weather, wind))

    ran = CliRunner().invoke(app, ["--wind", "gale", "--rain"])
    assert ran.exit_code == 0, ran.output
    assert seen == [(Weather(rain=True), "gale")]
