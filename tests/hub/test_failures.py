"""Which failures of the client are the Hub's, and which are mistakes of a program."""

from __future__ import annotations

import pytest
from huggingface_hub import errors

from zoo.errors import HubError, ZooError
from zoo.hub import client
from zoo.hub.failures import FAILURES, HubUnavailableError, RequestContext, _http, attempt

ASKED = RequestContext("fetching config.json of acme/vae", "acme/vae")
MISTAKES = (AttributeError, TypeError, KeyError, IndexError, AssertionError, NameError, ImportError)


def failing(failure: BaseException):
    def action() -> None:
        raise failure

    return action


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_a_program_stays_what_it_is_and_is_not_tried_again(kind, caplog):
    calls = []

    def action() -> None:
        calls.append(1)
        raise kind("'NoneType' object has no attribute 'x'")

    with pytest.raises(kind) as caught:
        attempt(ASKED, action)
    assert len(calls) == 1
    assert caught.traceback[-1].name == "action"  # where it happened is still known
    assert not caplog.records


@pytest.mark.parametrize("failure", MISTAKES)
def test_a_mistake_in_a_request_reaches_whoever_asked(monkeypatch, failure):
    def broken(*given, **how):
        raise failure("a bug")

    monkeypatch.setattr(client, "_api", broken)
    with pytest.raises(failure):
        client.create_repo("acme/vae", None, None)


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("Data processing error: CAS service error"),
        ConnectionError("refused"),
        ConnectionResetError(104, "Connection reset by peer"),
        _http.ReadError("reset"),
        _http.RemoteProtocolError("closed"),
        errors.LocalEntryNotFoundError("gone"),
    ],
    ids=repr,
)
def test_a_failure_of_the_hub_or_the_network_is_a_sentence(monkeypatch, failure):
    monkeypatch.setattr("zoo.hub.failures.RETRY_WAITS_S", ())
    with pytest.raises(ZooError):
        attempt(ASKED, failing(failure))


def test_what_the_client_refuses_is_no_passing_failure():
    with pytest.raises(HubError, match="the Hub's client refused") as caught:
        attempt(ASKED, failing(ValueError("Invalid metadata in README.md.")))
    assert not isinstance(caught.value, HubUnavailableError)


def test_the_clients_own_errors_are_all_among_them():
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and name.startswith(
            ("HfHub", "Repo", "Gated", "Local", "Offline")
        ):
            assert issubclass(kind, FAILURES), name
