"""``juno-snap releases``: which releases of Juno's modules are published."""

from typing import Annotated, Final

import typer

from juno_snap.cli.options import SHORT_TARGETS, CommonOptions, Target, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import listing
from juno_snap.juno.releases.model import FILE_STEMS, Catalogue
from juno_snap.library.published import releases_of

SHOWN_TAGS: Final = 3


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=line)(releases)


@spread
def releases(
    common: CommonOptions,
    target: Annotated[
        Target | None, typer.Option("-t", "--target", help="Only those of this role.")
    ] = None,
) -> None:
    """Which releases of Juno's modules are published, the newest last."""
    session = Session(common)
    source = releases_of(session.settings)
    catalogue = session.run(source.catalogue())
    role = SHORT_TARGETS.get(target or "", target)
    found = _listed(catalogue, role)
    document = {
        "source": source.url,
        "releases": [
            {"role": name, "version": version, "latest": is_latest, "tags": tags}
            for name, version, is_latest, tags in found
        ],
    }
    rows = [
        (name, version, "latest" if is_latest else None, ", ".join(tags[:SHOWN_TAGS]) or None)
        for name, version, is_latest, tags in found
    ]
    session.output.show(document, lambda: listing(["ROLE", "VERSION", "", "JUNO"], rows))


def _listed(catalogue: Catalogue, role: str | None) -> list[tuple[str, str, bool, list[str]]]:
    return [
        (
            name,
            str(version),
            version == catalogue.latest(name),
            list(catalogue.tags.get((name, version), ())),
        )
        for name in FILE_STEMS
        if role in {None, name}
        for version in catalogue.versions[name]
    ]
