from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import vote
from worker.model.actions import DESTINATIONS, PURGE, Mode, State, lower_mode
from worker.model.admission import Candidate, Existing, Ruling, Rulings, rule
from worker.model.caps import SMALLEST_SHARE, Usage
from worker.model.kinds import contradicts
from worker.model.plans import Ceilings, Vote

SHADOW, APPROVE, ENFORCE = Mode
WIDE = Ceilings(ENFORCE)


def move(name: str, *votes: Vote, message: str = "", to: str = "JunkEmail", cause: str = "") -> Candidate:
    """A wish for a message of its own, unless it is named."""
    return Candidate(name, message or f"message of {name}", "move", to, votes or (vote(),), cause)


def old(
    name: str, message: str, *, to: str = "JunkEmail", state: State = State.READY, cause: str = ""
) -> Existing:
    """An action from an earlier poll."""
    return Existing(name, message, "move", to, state, cause)


def decide(
    *candidates: Candidate,
    existing: tuple[Existing, ...] = (),
    used: dict[str, int] | None = None,
    used_by_all: int = 0,
    ceilings: Ceilings = WIDE,
    today: Mapping[str, int] | None = None,
    today_by_all: int = 0,
    polled: int | None = None,
) -> Rulings:
    """The rulings of one poll."""
    usage = Usage(used or {}, used_by_all, today or {}, today_by_all)
    return rule(candidates, existing, usage, ceilings, polled)


def states(rulings: Rulings) -> dict[str, State]:
    """The state that each candidate leaves its plan with."""
    return {one.action_id: one.state for one in rulings.rulings}


def only(rulings: Rulings) -> Ruling:
    """The ruling of a poll with one candidate."""
    (ruling,) = rulings.rulings
    return ruling


def test_what_an_enforcing_playbook_wants_is_ready() -> None:
    """Nothing speaks against a single wish within its caps."""
    assert only(decide(move("a"))) == Ruling("a", State.READY, ENFORCE)


def test_no_candidates_no_rulings() -> None:
    """An empty poll decides nothing."""
    assert decide() == Rulings((), {}, {})


@pytest.mark.parametrize(
    "level, ceiling, state",
    [
        (SHADOW, ENFORCE, State.SHADOWED),
        (APPROVE, ENFORCE, State.HELD),
        (ENFORCE, ENFORCE, State.READY),
        (ENFORCE, APPROVE, State.HELD),
        (ENFORCE, SHADOW, State.SHADOWED),
        (APPROVE, SHADOW, State.SHADOWED),
    ],
)
def test_the_lower_of_playbook_and_operator_decides(level: Mode, ceiling: Mode, state: State) -> None:
    """WORKER_MODE is a ceiling: it lowers a playbook's mode and never raises it."""
    ruling = only(decide(move("a", vote(mode=level)), ceilings=Ceilings(ceiling)))
    assert (ruling.state, ruling.mode) == (state, lower_mode(level, ceiling))


def test_the_highest_mode_of_those_who_agree_acts() -> None:
    """One enforcing playbook is enough, whatever the others that want the same may do."""
    ruling = only(decide(move("a", vote("x", SHADOW), vote("y", ENFORCE), vote("z", APPROVE))))
    assert (ruling.state, ruling.mode) == (State.READY, ENFORCE)


@pytest.mark.parametrize("count, state", [(3, State.READY), (4, State.HELD)])
def test_a_plan_over_its_cap_per_poll_is_held_whole(count: int, state: State) -> None:
    """The cap itself is allowed; one more holds every action of the plan, before the first."""
    rulings = decide(*(move(f"a{n}", vote(per_poll=3)) for n in range(count)))
    assert set(states(rulings).values()) == {state}


@pytest.mark.parametrize("used, state", [(498, State.READY), (499, State.HELD)])
def test_a_plan_over_its_cap_per_hour_is_held_whole(used: int, state: State) -> None:
    """What was admitted in the last hour counts beside the plan."""
    rulings = decide(move("a", vote(per_hour=500)), move("b", vote(per_hour=500)), used={"junk": used})
    assert set(states(rulings).values()) == {state}


@pytest.mark.parametrize("used, state", [(498, State.READY), (499, State.HELD)])
def test_a_plan_over_its_cap_per_day_is_held_whole(used: int, state: State) -> None:
    """What was admitted in the last 24 hours counts; the hour has room."""
    rulings = decide(move("a", vote(per_day=500)), move("b", vote(per_day=500)), today={"junk": used})
    assert set(states(rulings).values()) == {state}


@pytest.mark.parametrize("used, state", [(4998, State.READY), (4999, State.HELD)])
def test_all_playbooks_together_have_a_cap_per_day(used: int, state: State) -> None:
    """Where the operator has set one, whatever the playbooks say."""
    limits = Ceilings(ENFORCE, per_day=5000)
    rulings = decide(move("a", vote(per_day=9000)), move("b"), today_by_all=used, ceilings=limits)
    assert set(states(rulings).values()) == {state}


def test_days_and_shares_are_off_unless_set() -> None:
    """Without them nothing of the kind holds a plan."""
    assert only(decide(move("a"), today={"junk": 10**9}, today_by_all=10**9, polled=1)).state is State.READY


@pytest.mark.parametrize(
    "polled, wanted, state",
    [(100, 25, State.READY), (100, 26, State.HELD), (0, SMALLEST_SHARE, State.READY), (3, 11, State.HELD)],
)
@pytest.mark.parametrize("source", ["playbook", "operator"])
def test_a_plan_over_its_share_of_the_poll_is_held_whole(
    polled: int, wanted: int, state: State, source: str
) -> None:
    """A condition that went wild shows by its share; the few messages of a quiet half minute may all be bad."""
    own, limits = (
        (vote(share=0.25), WIDE) if source == "playbook" else (vote(), Ceilings(ENFORCE, share=0.25))
    )
    rulings = decide(*(move(f"a{n}", own) for n in range(wanted)), polled=polled, ceilings=limits)
    assert set(states(rulings).values()) == {state}


def test_what_is_decided_again_has_no_share() -> None:
    """Nothing was polled; every other cap counts."""
    rulings = decide(*(move(f"a{n}", vote(share=0.01)) for n in range(99)), polled=None)
    assert set(states(rulings).values()) == {State.READY}


@pytest.mark.parametrize("used, state", [(4998, State.READY), (4999, State.HELD)])
def test_all_playbooks_together_have_a_cap_per_hour(used: int, state: State) -> None:
    """The operator's hourly ceiling counts every playbook."""
    rulings = decide(move("a"), move("b"), used_by_all=used, ceilings=Ceilings(ENFORCE, 1000, 5000))
    assert set(states(rulings).values()) == {state}


def test_the_operators_ceiling_lowers_a_playbooks_cap() -> None:
    """A playbook cannot raise its caps above the operator's."""
    rulings = decide(
        *(move(f"a{n}", vote(per_poll=900)) for n in range(3)), ceilings=Ceilings(ENFORCE, 2, 5000)
    )
    assert rulings.held_plans == {"junk": "cap per poll: 3 actions, 2 allowed"}


def test_the_lowest_cap_among_a_plans_votes_counts() -> None:
    """Votes cast before and after a change of the cap are held to the stricter one."""
    rulings = decide(move("a", vote(per_poll=1)), move("b", vote(per_poll=100)))
    assert set(states(rulings).values()) == {State.HELD}


def test_a_held_plan_leaves_other_plans_alone() -> None:
    """A cap breach stops one playbook, not its neighbours."""
    rulings = decide(move("a", vote("x", per_poll=1)), move("b", vote("x", per_poll=1)), move("c", vote("y")))
    assert states(rulings) == {"a": State.HELD, "b": State.HELD, "c": State.READY}


def test_a_shared_action_counts_in_every_agreeing_plan() -> None:
    """An action that two playbooks want is held as soon as one of their plans is."""
    rulings = decide(
        move("shared", vote("x"), vote("y", per_poll=1)),
        move("own", vote("y", per_poll=1)),
        move("free", vote("x")),
    )
    assert states(rulings) == {"shared": State.HELD, "own": State.HELD, "free": State.READY}


def test_a_shared_action_counts_once_for_all_playbooks() -> None:
    """The operator's cap counts actions, not the playbooks that want them."""
    rulings = decide(move("a", vote("x"), vote("y")), ceilings=Ceilings(ENFORCE, 1000, 1))
    assert only(rulings).state is State.READY


@pytest.mark.parametrize("mode", [SHADOW, APPROVE])
def test_only_enforcing_votes_count_against_caps(mode: Mode) -> None:
    """Caps bound what is done without a person; shadow and approval do nothing by themselves."""
    rulings = decide(move("a", vote("x", mode, per_poll=1)), move("b", vote("x", mode, per_poll=1)))
    assert rulings.held_plans == {}


def test_a_shadow_vote_for_the_same_action_never_holds_it() -> None:
    """The cap of a playbook on trial does not touch what another one enforces."""
    rulings = decide(
        move("a", vote("trial", SHADOW, per_poll=1), vote("x")),
        move("b", vote("trial", SHADOW, per_poll=1), vote("x")),
    )
    assert set(states(rulings).values()) == {State.READY}


@pytest.mark.parametrize("mode", [APPROVE, ENFORCE])
def test_a_purge_needs_approval_in_every_mode(mode: Mode) -> None:
    """From RecoverableItemsPurges no user can bring a message back."""
    ruling = only(decide(move("a", vote(mode=mode), to=PURGE)))
    assert (ruling.state, ruling.why) == (State.HELD, "a purge needs approval in every mode")


def test_a_purge_on_trial_is_only_shadowed() -> None:
    """Shadow asks nobody for anything."""
    assert only(decide(move("a", vote(mode=SHADOW), to=PURGE))).state is State.SHADOWED


def test_contradicting_candidates_are_both_held() -> None:
    """Of two targets for one message neither is carried out without a person, and each names the other."""
    rulings = decide(move("a", vote("x"), message="m"), move("b", vote("y"), message="m", to="Inbox"))
    assert [(one.state, one.why) for one in rulings.rulings] == [
        (State.HELD, "contradicts move Inbox (b)"),
        (State.HELD, "contradicts move JunkEmail (a)"),
    ]


def test_an_approving_playbook_holds_an_enforcing_one_that_it_contradicts() -> None:
    """Approve is no trial: a person has to see both wishes."""
    rulings = decide(
        move("a", vote("x", APPROVE), message="m"), move("b", vote("y"), message="m", to="Inbox")
    )
    assert set(states(rulings).values()) == {State.HELD}


def test_shadow_never_holds_others() -> None:
    """A playbook on trial contradicts nobody."""
    rulings = decide(move("a", vote("x", SHADOW), message="m"), move("b", vote("y"), message="m", to="Inbox"))
    assert states(rulings) == {"a": State.SHADOWED, "b": State.READY}


def test_a_release_contradicts_a_move() -> None:
    """To deliver a message and to put it away cannot both be meant."""
    release = Candidate("a", "m", "release", "", (vote("x"),))
    assert set(states(decide(release, move("b", vote("y"), message="m"))).values()) == {State.HELD}


def test_a_reclassification_contradicts_no_move() -> None:
    """The verdict and the folder of a message are two things."""
    other = Candidate("a", "m", "reclassify", "SPAM", (vote("x"),))
    assert set(states(decide(other, move("b", vote("y"), message="m"))).values()) == {State.READY}


@pytest.mark.parametrize("state", [State.READY, State.HELD])
def test_an_unsent_earlier_action_is_held_beside_its_contradiction(state: State) -> None:
    """What has not been sent yet can still wait for the person who decides between the two."""
    rulings = decide(move("new", message="m", to="Inbox"), existing=(old("old", "m", state=state),))
    assert states(rulings) == {"new": State.HELD}
    assert rulings.also_hold == {"old": "contradicts move Inbox (new)"}


@pytest.mark.parametrize("state", [State.SUBMITTED, State.UNKNOWN, State.SUCCEEDED, State.REJECTED])
def test_a_sent_or_rejected_action_contradicts_nothing(state: State) -> None:
    """What is under way or done is not undone by holding it; a new verdict may mean the opposite."""
    rulings = decide(move("new", message="m", to="Inbox"), existing=(old("old", "m", state=state),))
    assert states(rulings) == {"new": State.READY}
    assert rulings.also_hold == {}


@pytest.mark.parametrize(
    "state", [State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN, State.SUCCEEDED, State.REJECTED]
)
def test_a_live_action_stands_for_the_same_wish(state: State) -> None:
    """What is under way, done or rejected by a person is not begun a second time."""
    ruling = only(decide(move("new", message="m"), existing=(old("old", "m", state=state),)))
    assert (ruling.state, ruling.joins) == (State.SKIPPED, "old")


@pytest.mark.parametrize("state", [State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN, State.SUCCEEDED])
def test_a_wish_against_an_undo_is_held_and_the_undo_is_not(state: State) -> None:
    """A person has decided about this message: a playbook has to ask, whatever it wants instead."""
    back = old("u", "m", to="Inbox", state=state, cause="a")
    rulings = decide(move("new", message="m", to="DeletedItems"), existing=(back,))
    assert (only(rulings).state, only(rulings).why) == (State.HELD, "a person has it put back to Inbox (u)")
    assert rulings.also_hold == {}


def test_a_rejected_undo_stops_nobody() -> None:
    """The person who rejected it let the message be where it is."""
    back = old("u", "m", to="Inbox", state=State.REJECTED, cause="a")
    assert only(decide(move("new", message="m", to="DeletedItems"), existing=(back,))).state is State.READY


def test_an_undo_waits_for_no_playbook() -> None:
    """It holds what contradicts it and has not been sent, and goes out itself."""
    back = move("u", message="m", to="Inbox", cause="a")
    for to in ("DeletedItems", "Inbox"):
        rulings = decide(back, existing=(old("wish", "m", to=to),))
        assert only(rulings).state is State.READY
        assert rulings.also_hold == {"wish": "a person has it put back to Inbox (u)"}


def test_undos_of_two_moves_to_one_folder_are_two() -> None:
    """What they undo is part of what they are."""
    first, second = (move(name, message="m", to="Inbox", cause=name) for name in ("a", "b"))
    assert {one.joins for one in decide(first, second).rulings} == {""}


def test_an_undo_does_not_stand_for_a_wish_of_its_own() -> None:
    """A playbook's wish is not swallowed by a person's undo that happens to go to the same folder.

    While that is on its way, it waits, or both would be sent; once it is done, the look finds nothing left to do.
    """
    ruling = only(decide(move("new", message="m"), existing=(old("old", "m", cause="a"),)))
    assert (ruling.state, ruling.joins) == (State.HELD, "")
    done = old("old", "m", state=State.SUCCEEDED, cause="a")
    assert only(decide(move("new", message="m"), existing=(done,))).state is State.READY


def test_a_shadow_wish_joins_nothing() -> None:
    """A trial shows what it would have done, also where another playbook has done it."""
    ruling = only(decide(move("new", vote(mode=SHADOW), message="m"), existing=(old("old", "m"),)))
    assert (ruling.state, ruling.joins) == (State.SHADOWED, "")


def test_two_candidates_for_one_thing_become_one() -> None:
    """Two reports about one message may want the same: it is done once."""
    rulings = decide(move("a", vote("x"), message="m"), move("b", vote("y"), message="m"))
    assert states(rulings) == {"a": State.READY, "b": State.SKIPPED}
    assert rulings.rulings[1].joins == "a"


@pytest.mark.parametrize("first, second", [(APPROVE, ENFORCE), (ENFORCE, APPROVE)])
def test_of_two_candidates_for_one_thing_the_higher_mode_acts(first: Mode, second: Mode) -> None:
    """Whichever of them was decided first."""
    rulings = decide(move("a", vote("x", first), message="m"), move("b", vote("y", second), message="m"))
    assert states(rulings) == {"a": State.READY, "b": State.SKIPPED}


def test_a_candidate_that_joins_another_counts_in_its_own_plan() -> None:
    """A plan over its cap holds also the actions that it shares through a join."""
    rulings = decide(
        move("a", vote("x"), message="m"),
        move("b", vote("y", per_poll=1), message="m"),
        move("c", vote("y", per_poll=1)),
    )
    assert states(rulings) == {"a": State.HELD, "b": State.SKIPPED, "c": State.HELD}


def test_one_playbook_that_wants_one_thing_twice_counts_once() -> None:
    """Two reports about one message are one action under the caps."""
    rulings = decide(move("a", vote(per_poll=1), message="m"), move("b", vote(per_poll=1), message="m"))
    assert states(rulings) == {"a": State.READY, "b": State.SKIPPED}


def test_a_joining_wish_takes_no_place_under_a_cap() -> None:
    """What is not done anew does not count anew."""
    rulings = decide(
        move("a", vote(per_poll=1), message="m"),
        move("b", vote(per_poll=1), message="n"),
        existing=(old("old", "m"),),
    )
    assert states(rulings) == {"a": State.SKIPPED, "b": State.READY}


@pytest.mark.parametrize(
    "one, other, verdict",
    [
        (("move", "Inbox"), ("move", "Inbox"), False),
        (("move", "Inbox"), ("move", "JunkEmail"), True),
        (("move", "Inbox"), ("release", ""), True),
        (("release", ""), ("release", ""), False),
        (("reclassify", "SPAM"), ("reclassify", "NONE"), True),
        (("reclassify", "SPAM"), ("move", "Inbox"), False),
        (("reclassify", "SPAM"), ("release", ""), False),
    ],
)
def test_what_contradicts_what(one: tuple[str, str], other: tuple[str, str], verdict: bool) -> None:
    """Two targets of one kind, or move and release; in both directions."""
    assert contradicts(*one, *other) is contradicts(*other, *one) is verdict


@st.composite
def polls(draw: st.DrawFn) -> tuple[list[Candidate], list[Existing]]:
    """Wishes of three playbooks for a few messages, no two candidates of one identity, and earlier actions."""
    modes = {name: draw(st.sampled_from(Mode)) for name in "xyz"}
    caps = {name: draw(st.integers(1, 6)) for name in "xyz"}
    identities = draw(
        st.lists(
            st.tuples(st.sampled_from("mnopq"), st.sampled_from(DESTINATIONS[:3])), unique=True, max_size=12
        )
    )
    candidates = [
        move(
            f"c{index}",
            *(
                vote(name, modes[name], per_poll=caps[name], per_hour=caps[name] + 2)
                for name in sorted(draw(st.sets(st.sampled_from("xyz"), min_size=1)))
            ),
            message=message,
            to=target,
        )
        for index, (message, target) in enumerate(identities)
    ]
    live = st.sampled_from([State.HELD, State.READY, State.SUBMITTED, State.SUCCEEDED, State.REJECTED])
    earlier = draw(
        st.lists(
            st.tuples(st.sampled_from("mnopq"), st.sampled_from(DESTINATIONS[:3]), live),
            unique_by=lambda one: one[:2],
            max_size=4,
        )
    )
    return candidates, [
        old(f"e{index}", message, to=to, state=state) for index, (message, to, state) in enumerate(earlier)
    ]


USED = st.fixed_dictionaries({name: st.integers(0, 5) for name in "xyz"})
LIMITS = st.builds(Ceilings, st.sampled_from(Mode), st.integers(1, 8), st.integers(1, 12))


@given(polls(), USED, st.integers(0, 10), LIMITS)
def test_every_candidate_gets_exactly_one_ruling(
    drawn: tuple[list[Candidate], list[Existing]], used: dict[str, int], by_all: int, limits: Ceilings
) -> None:
    """Nothing is lost and nothing is decided twice, in the order of the candidates."""
    candidates, existing = drawn
    rulings = rule(candidates, existing, Usage(used, by_all), limits)
    assert [one.action_id for one in rulings.rulings] == [one.action_id for one in candidates]


@given(polls(), USED, st.integers(0, 10), LIMITS)
def test_never_more_is_ready_than_any_cap_allows(
    drawn: tuple[list[Candidate], list[Existing]], used: dict[str, int], by_all: int, limits: Ceilings
) -> None:
    """Per poll, per hour and over all playbooks, for each playbook that enforces, with what was used before."""
    candidates, existing = drawn
    rulings = states(rule(candidates, existing, Usage(used, by_all), limits))
    ready = [one for one in candidates if rulings[one.action_id] is State.READY]
    plans = Counter(v.playbook for one in ready for v in one.votes if v.mode is ENFORCE)
    caps = {v.playbook: v for one in ready for v in one.votes}
    for name, count in plans.items():
        assert count <= min(caps[name].per_poll, limits.per_poll)
        assert used[name] + count <= min(caps[name].per_hour, limits.per_hour)
    assert not ready or by_all + len(ready) <= limits.per_hour


@given(polls(), USED, st.integers(0, 10), LIMITS)
def test_nothing_is_ready_without_an_enforcing_playbook_under_enforce(
    drawn: tuple[list[Candidate], list[Existing]], used: dict[str, int], by_all: int, limits: Ceilings
) -> None:
    """The ceiling holds for everything; a purge and a contradiction are never ready at all."""
    candidates, existing = drawn
    rulings = states(rule(candidates, existing, Usage(used, by_all), limits))
    ready = [one for one in candidates if rulings[one.action_id] is State.READY]
    assert all(limits.mode is ENFORCE and any(v.mode is ENFORCE for v in one.votes) for one in ready)
    assert len({one.about for one in ready}) == len(ready)


@given(polls(), USED, st.integers(0, 10), LIMITS, st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(
    drawn: tuple[list[Candidate], list[Existing]],
    used: dict[str, int],
    by_all: int,
    limits: Ceilings,
    random: Random,
) -> None:
    """Pages come in any order: the same wishes always end in the same states."""
    candidates, existing = drawn
    shuffled = candidates[:]
    random.shuffle(shuffled)
    one, other = (rule(each, existing, Usage(used, by_all), limits) for each in (candidates, shuffled))
    assert states(one) == states(other)
    assert (one.held_plans, set(one.also_hold)) == (other.held_plans, set(other.also_hold))


WAITING = Existing("old", "m", "move", "JunkEmail", State.HELD, waits=True)


def test_an_enforcing_playbook_lets_go_what_an_approving_one_left_waiting() -> None:
    """It joins the earlier action, which is ready with that; a second one of the same poll only joins."""
    rulings = decide(move("a", message="m"), move("b", message="m"), existing=(WAITING,))
    assert [(one.state, one.joins) for one in rulings.rulings] == [
        (State.READY, "old"),
        (State.SKIPPED, "old"),
    ]


@pytest.mark.parametrize(
    "candidate, waits, ceilings",
    [
        (move("a", vote(mode=APPROVE), message="m"), True, WIDE),
        (move("a", message="m"), True, Ceilings(APPROVE)),
        (move("a", message="m"), True, Ceilings(ENFORCE, per_poll=0)),
        (move("a", message="m"), False, WIDE),
    ],
    ids=["it only asks too", "under a lower ceiling", "over its cap", "held for another reason"],
)
def test_it_stays_held_otherwise(candidate: Candidate, waits: bool, ceilings: Ceilings) -> None:
    """Agreeing is not enough: the enforcing playbook must be free to act itself."""
    twin = Existing("old", "m", "move", "JunkEmail", State.HELD, waits=waits)
    assert only(decide(candidate, existing=(twin,), ceilings=ceilings)).state is State.SKIPPED


def tell(name: str, *votes: Vote) -> Candidate:
    """People are to be told."""
    return Candidate(name, f"n_{name}", "notify", "", votes or (vote(),))


def test_notifications_take_nothing_from_the_caps_of_mail() -> None:
    """Nor the other way round: each has the same numbers for itself."""
    capped = vote(per_poll=2, per_hour=2)
    both = [*(move(f"m{n}", capped) for n in range(2)), *(tell(f"t{n}", capped) for n in range(2))]
    assert set(states(decide(*both)).values()) == {State.READY}


def test_too_many_notifications_hold_no_mail() -> None:
    """They wait for a person by themselves."""
    capped = vote(per_poll=2)
    rulings = decide(move("m", capped), *(tell(f"t{n}", capped) for n in range(3)))
    assert states(rulings) == {"m": State.READY, "t0": State.HELD, "t1": State.HELD, "t2": State.HELD}
    assert rulings.held_plans == {"junk": "cap per poll: 3 actions, 2 allowed"}


def test_what_a_held_plan_would_have_told_waits_with_it() -> None:
    """A plan over its cap is held whole: nobody is told of what has not been done. Others tell as they like."""
    capped = vote(per_poll=2)
    rulings = decide(*(move(f"m{n}", capped) for n in range(3)), tell("t", capped), tell("o", vote("other")))
    assert states(rulings)["t"] is State.HELD
    assert states(rulings)["o"] is State.READY


def test_notifications_are_counted_for_themselves() -> None:
    """What was told in the last hour, and not what was done."""
    told = Usage({"junk": 500}, 5000, apart=Usage({"junk": 4}, 4))
    capped = vote(per_hour=5)
    assert only(rule([tell("t", capped)], (), told, WIDE)).state is State.READY
    over = told._replace(apart=Usage({"junk": 5}, 5))
    assert only(rule([tell("t", capped)], (), over, WIDE)).state is State.HELD
    assert "cap per hour: 5 + 1" in only(rule([tell("t", capped)], (), over, WIDE)).why


@pytest.mark.parametrize("mode, state", [(SHADOW, State.SHADOWED), (APPROVE, State.HELD)])
def test_notifications_obey_the_mode(mode: Mode, state: State) -> None:
    """As every action does."""
    assert only(decide(tell("t"), ceilings=replace(WIDE, mode=mode))).state is state


def test_a_reclassify_and_a_submit_of_one_message_contradict_each_other() -> None:
    """They ask the same people for the same thing: two tickets for one message are one too many."""
    asked = [Candidate(kind, "m1", kind, "NONE", (vote(kind),)) for kind in ("reclassify", "submit")]
    assert set(states(decide(*asked)).values()) == {State.HELD}
