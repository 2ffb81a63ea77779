"""Who may do what: the roles that the owner gives, and limits that hold for everybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab import people
from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.limits import LimitError, Limits
from optlab.people import NOBODY, OWNER, NotAllowedError, Person, Role, person
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.store.run import Status
from optlab.store.store import Store
from tests.pages import samples

LISTED = {people.ADMINS: "root@example.org", people.USERS: " Ann@example.org, *@lab.example "}
ANN, BOB = Person("ann@example.org", Role.USER), Person("bob@lab.example", Role.USER)
VIEWER = Person("eve@example.org", Role.VIEWER)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    store = Store()
    samples.prepare(Client(store))
    return store


@pytest.mark.parametrize(("address", "role"), [
    ("root@example.org", Role.ADMIN), ("ROOT@example.org ", Role.ADMIN), ("ann@example.org", Role.USER),
    ("bob@lab.example", Role.USER), ("eve@example.org", Role.VIEWER), ("", Role.VIEWER), ("@lab.example", Role.USER),
    ("eve@evil.example@lab.example", Role.VIEWER), ("bob@lab.example.evil.example", Role.VIEWER),
    ("bob@sub.lab.example", Role.VIEWER), ("*", Role.VIEWER), ("*@lab.example", Role.USER),
])  # fmt: skip
def test_a_role_is_what_the_owner_listed(address: str, role: Role) -> None:
    assert person(address, LISTED).role == role


def test_everybody_who_can_sign_in_and_nobody_else() -> None:
    assert person("eve@example.org", {people.USERS: "*"}).role == Role.USER
    assert person("", {people.USERS: "*"}) == NOBODY
    assert person("eve@example.org", {}).role == Role.VIEWER


@given(st.text(max_size=30))
def test_no_address_becomes_more_than_a_viewer_by_its_form(address: str) -> None:
    found = person(address, {people.USERS: "ann@example.org", people.ADMINS: "*@root.example"})
    name = address.strip().lower()
    assert found.role == Role.VIEWER or name == "ann@example.org" or name.endswith("@root.example")


def test_a_viewer_looks_and_starts_nothing(store: Store) -> None:
    run = Client(store, ANN).submit_measure("nano", samples.quantized(4), Protocol())
    viewer = Client(store, VIEWER)
    assert viewer.submit_measure("nano", samples.quantized(4), Protocol()).id == run.id  # looking at what there is
    for act in (
        lambda: viewer.submit_measure("nano", samples.quantized(3), Protocol()), lambda: viewer.cancel(run.id),
        lambda: viewer.retry(run.id), lambda: viewer.delete(run.id), lambda: viewer.adopt([]),
        lambda: viewer.submit_speed("nano"),
    ):  # fmt: skip
        with pytest.raises(NotAllowedError):
            act()
    assert [one.asked_by for one in store.list("measure")] == [ANN.name]
    assert viewer.time_speed("nano") is None


def test_a_run_belongs_to_who_started_it(store: Store) -> None:
    ann, bob, owner = Client(store, ANN), Client(store, BOB), Client(store, OWNER)
    run = ann.submit_measure("nano", samples.quantized(4), Protocol())
    for act in (bob.cancel, bob.delete, bob.retry):
        with pytest.raises(NotAllowedError, match=ANN.name):
            act(run.id)
    assert ann.cancel(run.id).status == Status.CANCELLED
    again = bob.submit_measure("nano", samples.quantized(4), Protocol())
    assert (again.id, again.asked_by) == (run.id, BOB.name)
    with pytest.raises(NotAllowedError):
        ann.cancel(run.id)
    assert owner.cancel(run.id).status == Status.CANCELLED
    mine = owner.submit_measure("nano", samples.quantized(3), Protocol())
    assert mine.asked_by == ""
    with pytest.raises(NotAllowedError, match="owner"):
        bob.cancel(mine.id)


def test_only_admins_clear_what_all_share() -> None:
    for one in (ANN, VIEWER, NOBODY):
        with pytest.raises(NotAllowedError):
            one.expect_to_keep_house()
    OWNER.expect_to_keep_house()


def test_queue_text_and_training_have_limits(store: Store) -> None:
    limits = Limits(waiting=1, waiting_in_all=2, tokens=20_000, training_steps=100)
    ann, bob, root = (Client(store, one, limits) for one in (ANN, BOB, OWNER))
    with pytest.raises(LimitError, match="20000 are allowed"):
        ann.submit_measure("nano", samples.quantized(4), Protocol(tokens=20_001))
    with pytest.raises(LimitError, match="400 steps"):
        ann.submit_measure("nano", trained(400), Protocol())
    small = replace(limits, memory_mb=1000)
    with pytest.raises(LimitError, match=r"takes about \d{3,4} MB of memory; 300 are allowed"):
        Client(store, ANN, replace(limits, memory_mb=300)).submit_measure("nano", samples.quantized(4), Protocol())
    first = Client(store, ANN, small).submit_measure("nano", trained(100), Protocol())
    assert first.id == ann.submit_measure("nano", trained(100), Protocol()).id
    with pytest.raises(LimitError, match="at most 1 of your runs"):
        ann.submit_measure("nano", samples.quantized(4), Protocol())
    assert ann.submit_measure("nano", trained(100), Protocol()).id == first.id
    bob.submit_measure("nano", samples.quantized(4), Protocol())
    with pytest.raises(LimitError, match="at most 2 runs"):
        root.submit_measure("nano", samples.quantized(3), Protocol())


def trained(steps: int) -> Recipe:
    return Recipe((Step("distill", "forward_kl", {"steps": steps}),))


@pytest.mark.parametrize("given", ["-1", "0", "many", "1.5", "1" * 13, "١٢"])
def test_a_limit_is_a_whole_number(given: str) -> None:
    if given == "١٢":  # decimal digits of another script are digits
        assert Limits.of({"OPTLAB_MAX_WAITING": given}).waiting == 12
        return
    with pytest.raises(OptLabError, match="OPTLAB_MAX_WAITING"):
        Limits.of({"OPTLAB_MAX_WAITING": given})


def test_a_run_is_stopped_after_its_minutes() -> None:
    Limits(minutes=2).check_time(119)
    Limits().check_time(1e9)
    with pytest.raises(LimitError, match="for 2 min"):
        Limits(minutes=2).check_time(121)
