"""Which module may follow which, and which word lifts a refusal."""

from dataclasses import replace

import pytest

from juno_snap.juno.guards import GUARDS, Terms, judge_modules
from juno_snap.juno.roles import JunoModule, Package, Version, recognise

V = Version.parse
ALL = frozenset(GUARDS)
NONE = JunoModule()
PUBLISHED = (V("0.1.0"), V("0.1.1"), V("0.2.0"), V("0.3.0"))
CONSOLE = recognise(package=b'{"name": "@junobuild/console", "version": "0.1.0"}', build=None)
BROKEN = recognise(package=b"{", build=None)


def juno(role="satellite", version="0.1.0", build="stock"):
    """One with a package."""
    own = Package(name="package", version="1.0.0", dependencies={})
    return JunoModule(
        role=role,
        version=version,
        build=build if role == "satellite" else None,
        package=own,
        evidence="juno:package",
    )


def older(version="0.0.17", build="stock"):
    """A satellite of before there were packages."""
    return JunoModule(role="satellite", version=version, build=build, evidence="juno:build")


EXTENDED = juno(build="extended")
REFUSALS = [
    # installed, new, what is known, code, what lifts it
    pytest.param(juno(), juno("orbiter"), {}, "role-change", "role-change", id="orbiter"),
    pytest.param(juno("orbiter"), juno(), {}, "role-change", "role-change", id="satellite"),
    pytest.param(
        juno("mission-control"), juno(), {}, "role-change", "role-change", id="on mission control"
    ),
    pytest.param(juno(), CONSOLE, {}, "role-change", "role-change", id="another package"),
    pytest.param(CONSOLE, juno(), {}, "role-change", "role-change", id="over another package"),
    pytest.param(juno(), NONE, {}, "role-change", "role-change", id="no word of a role"),
    pytest.param(juno(), BROKEN, {}, "role-change", "role-change", id="unreadable"),
    pytest.param(older(), juno("orbiter"), {}, "role-change", "role-change", id="over an older"),
    pytest.param(
        NONE, juno("orbiter"), {"role": "satellite"}, "role-change", "role-change", id="as named"
    ),
    pytest.param(
        NONE, NONE, {"role": "satellite"}, "role-change", "role-change", id="named, says nothing"
    ),
    pytest.param(EXTENDED, juno(), {}, "stock-over-extended", "stock", id="stock"),
    pytest.param(
        EXTENDED, juno(version="0.2.0"), {}, "stock-over-extended", "stock", id="newer stock"
    ),
    pytest.param(
        EXTENDED, older(version="0.1.0", build=None), {}, "stock-over-extended", "stock",
        id="unknown build",
    ),
    pytest.param(
        older(build="extended"), juno(), {}, "stock-over-extended", "stock", id="older extended"
    ),
    pytest.param(juno(version="0.1.1"), juno(), {}, "downgrade", "downgrade", id="patch"),
    pytest.param(juno(version="0.10.0"), juno(version="0.9.9"), {}, "downgrade", "downgrade",
                 id="minor, by number"),
    pytest.param(older(), juno(version="0.0.16"), {}, "downgrade", "downgrade", id="uncertified"),
    pytest.param(
        EXTENDED, juno(version="0.0.9", build="extended"), {}, "downgrade", "downgrade",
        id="below the functions",
    ),
    pytest.param(
        juno(), older(version=None), {}, "downgrade", "downgrade", id="before there were packages"
    ),
    pytest.param(
        juno(), juno(version="0.2.0"), {"published": PUBLISHED}, "release-skipped", "skip", id="one"
    ),
    pytest.param(
        juno(), juno(version="0.3.0"), {"published": PUBLISHED}, "release-skipped", "skip", id="two"
    ),
    pytest.param(
        juno(), juno(version="0.2.5"), {"published": PUBLISHED}, "release-skipped", "skip",
        id="to one that is not listed",
    ),
    pytest.param(
        juno(version="0.0.9"), juno(version="0.1.1"), {"published": PUBLISHED}, "release-skipped",
        "skip", id="from one that is not listed",
    ),
]  # fmt: skip


def codes(reasons, *, is_refusal):
    return [reason.code for reason in reasons if reason.is_refusal is is_refusal]


@pytest.mark.parametrize(("installed", "new", "known", "code", "lifted_by"), REFUSALS)
def test_it_is_refused_and_its_own_word_lifts_it_and_is_told(
    installed, new, known, code, lifted_by
):
    terms = Terms(**known)
    refused = [each for each in judge_modules(installed, new, terms) if each.is_refusal]
    assert [each.code for each in refused] == [code]
    assert f"--allow-{lifted_by}" in refused[0].flags
    allowed = judge_modules(installed, new, replace(terms, lifted=frozenset({lifted_by})))
    assert code not in codes(allowed, is_refusal=True)
    assert code in codes(allowed, is_refusal=False)


@pytest.mark.parametrize(("installed", "new", "known", "code", "lifted_by"), REFUSALS)
def test_no_other_word_lifts_it(installed, new, known, code, lifted_by):
    others = ALL - {lifted_by}
    found = judge_modules(installed, new, Terms(**known, lifted=others))
    assert code in codes(found, is_refusal=True)


@pytest.mark.parametrize(
    ("installed", "new", "known", "remarks"),
    [
        pytest.param(juno(), juno(version="0.1.1"), {}, [], id="the next patch"),
        pytest.param(juno(), juno(), {}, [], id="the same release"),
        pytest.param(juno(), juno(version="0.1.1"), {"published": PUBLISHED}, [], id="next"),
        pytest.param(
            juno(version="0.1.1"), juno(version="0.2.0"), {"published": PUBLISHED}, [],
            id="next in the list",
        ),
        pytest.param(juno(), juno(version="0.2.0"), {}, ["skip-unknown"], id="no list"),
        pytest.param(
            juno(version="0.3.0"), juno(version="0.3.1"), {"published": PUBLISHED},
            ["release-unlisted"], id="not listed",
        ),
        pytest.param(juno(), EXTENDED, {}, [], id="functions are added"),
        pytest.param(EXTENDED, juno(version="0.1.1", build="extended"), {}, [], id="extended"),
        pytest.param(older(build=None), juno(), {},
                     ["build-unknown", "skip-unknown", "version-uncertified"], id="old"),
        pytest.param(older(version=None), juno(), {}, ["version-unknown"], id="stopped, older"),
        pytest.param(juno(version="nightly"), juno(), {}, ["version-unknown"], id="not a release"),
        pytest.param(NONE, juno(), {},
                     ["role-unknown", "build-unknown", "version-unknown"], id="unknown module"),
        pytest.param(NONE, NONE, {}, [], id="nothing of Juno's"),
        pytest.param(CONSOLE, CONSOLE, {}, [], id="the same other package"),
        pytest.param(
            JunoModule(version="0.0.7", evidence="version"), NONE,
            {"role": "orbiter", "version": V("0.0.8"), "published": (V("0.0.7"), V("0.0.8"))},
            ["version-uncertified"], id="published and older",
        ),
    ],
)  # fmt: skip
def test_what_nothing_speaks_against_goes_on_and_what_is_unknown_is_told(
    installed, new, known, remarks
):
    found = judge_modules(installed, new, Terms(**known))
    assert codes(found, is_refusal=True) == []
    assert codes(found, is_refusal=False) == remarks


def test_a_module_that_is_not_what_it_was_named_as_is_refused_whatever_is_said():
    terms = Terms(role="satellite", lifted=ALL)
    for new in (juno(), juno("orbiter"), NONE):
        found = judge_modules(juno("orbiter"), new, terms)
        assert [(each.code, each.flags) for each in found] == [("role-mismatch", ())]


def test_several_reasons_are_all_told():
    found = judge_modules(juno(version="0.2.0", build="extended"), juno(version="0.1.0"), Terms())
    assert codes(found, is_refusal=True) == ["stock-over-extended", "downgrade"]


def test_a_reset_skips_nothing_since_it_keeps_nothing():
    terms = Terms(published=PUBLISHED)
    found = judge_modules(juno(), juno(version="0.3.0"), terms, is_reset=True)
    assert codes(found, is_refusal=True) == []
    assert codes(found, is_refusal=False) == ["release-skipped"]


def test_a_mission_control_is_not_reset():
    kind = juno("mission-control")
    assert codes(judge_modules(kind, kind, Terms(), is_reset=True), is_refusal=True) == [
        "reset-mission-control"
    ]
    assert judge_modules(kind, kind, Terms()) == ()
