"""Every requirement of flows has a test, and the README leads from one part to the next."""

import re

import pytest

from tests.architecture.imports import ROOT
from tests.requirements import REQUIREMENTS, missing, proofs

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_requirement_is_proved():
    assert missing() == []


def test_only_requirements_are_proved():
    assert set(proofs()) <= set(REQUIREMENTS)


@pytest.mark.proves("A19")
def test_the_links_of_the_readme_lead_somewhere():
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    links = re.findall(r"\]\(([^)]+)\)", README)
    inside = [link for link in links if not link.startswith("http")]
    lost = [
        link
        for link in inside
        if (link[1:] not in headings if link.startswith("#") else not (ROOT / link).exists())
    ]
    assert lost == []
    assert {"#flows", "#write-a-component", "#run-stop-reset"} <= set(inside)
