import json

import pytest

from juno_snap.errors import ConfigError
from juno_snap.flow.config import StepConfig, redact, resolve_secrets

SECRET = 'pass"wörd'


def config():
    return StepConfig({"user": "me"}, {"password": SECRET})


def test_a_secret_is_had_by_name():
    cfg = config()
    assert cfg["password"] == cfg.get("password") == SECRET
    assert set(cfg) == {"user", "password"}


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(json.dumps, id="json"),
        pytest.param(lambda cfg: json.dumps(cfg, indent=1), id="json, indented"),
        pytest.param(lambda cfg: json.dumps([{"cfg": cfg}]), id="json, nested"),
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda cfg: f"{cfg}", id="format"),
        pytest.param(lambda cfg: str(cfg.items()), id="items"),
        pytest.param(lambda cfg: str(list(cfg.values())), id="values"),
    ],
)
@pytest.mark.proves("B30")
def test_whatever_shows_the_whole_shows_no_secret(show):
    shown = show(config())
    assert "me" in shown
    assert "***" in shown
    assert "pass" not in shown.replace("password", "")


@pytest.mark.proves("B30")
def test_text_is_cleaned_of_secrets_in_every_form():
    said = f"no {SECRET}, {json.dumps(SECRET)}, {json.dumps(SECRET, ensure_ascii=False)}"
    assert redact(said, [SECRET]) == 'no ***, "***", "***"'


def test_a_secret_within_another_leaves_nothing():
    assert redact("abcdef abc", ["abc", "abcdef"]) == "*** ***"


@pytest.mark.parametrize("environment", [{}, {"TOKEN": ""}])
def test_a_variable_that_is_not_set_is_named(environment):
    with pytest.raises(ConfigError, match="TOKEN") as refused:
        resolve_secrets("query", {"token": "TOKEN"}, environment)
    assert refused.value.fields == {"source": "TOKEN", "key": "token"}
