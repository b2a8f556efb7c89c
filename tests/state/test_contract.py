"""What every journal promises, in memory and on disk, with its thread and without."""

import asyncio

import pytest

from batch_deployer.errors import JournalError
from batch_deployer.model.deployment import Action, Operation, Outcome
from batch_deployer.model.events import (
    Accepted,
    Finished,
    Halted,
    Measured,
    Planned,
    RunFinished,
    RunStarted,
    Throttled,
    Warned,
)


def test_what_is_recorded_is_there_in_order(journal, intents):
    events = intents(5)

    async def write():
        for event in events:
            await journal.record(event)

    asyncio.run(write())
    assert journal.history() == events


def test_notes_and_records_keep_their_order(journal, intents):
    events = intents(9)

    async def write():
        journal.note(*events[:2])
        await journal.record(*events[2:4])
        journal.note(events[4])
        journal.note(*events[5:8])
        await journal.record(events[8])

    asyncio.run(write())
    assert journal.history() == events


def test_history_holds_what_was_only_noted(journal, intents):
    events = intents(3)
    journal.note(*events)
    assert journal.history() == events


def test_after_a_flush_all_notes_are_there(journal, intents):
    events = intents(700)

    async def write():
        for event in events:
            journal.note(event)
        await journal.flush()

    asyncio.run(write())
    assert journal.history() == events


def test_events_of_many_tasks_are_all_there_once_and_each_task_in_order(journal, intents):
    events = intents(600)

    async def lane(number):
        for event in events[number::20]:
            journal.note(Warned(at=event.at, message=f"before {event.key}"))
            await journal.record(event)

    async def write():
        await asyncio.gather(*(lane(number) for number in range(20)))

    asyncio.run(write())
    history = journal.history()
    kept = [event for event in history if event in set(events)]
    assert sorted(kept, key=lambda event: event.at) == events
    for number in range(20):
        assert [event for event in kept if event in set(events[number::20])] == events[number::20]
    assert len(history) == 1200


def test_every_kind_of_value_comes_back_as_it_went_in(journal):
    events = [
        RunStarted(at=0.0, run="r", manifest="m", pid=7, resumed=True, version="0.1"),
        Planned(at=1.5, key="c/n/a", action=Action.UPGRADE, reason='quote " slash \\ emoji 🚀', revision=3),
        Accepted(at=1e9 + 0.123456, key="c/n/ä", operation=Operation.ROLLBACK, request_id="a::b"),
        Throttled(at=2.0, cloud="de", bucket="writes", wait=60.0, rate=1 / 6),
        Measured(at=3.0, cloud="de", calls={"create_release": 2}, peaks={}, rates={"writes": 0.1}),
        Halted(at=4.0, scope="run", reason="]}[{"),
        Finished(at=5.0, key="c/n/a", outcome=Outcome.TIMED_OUT),
        RunFinished(at=6.0, exit_code=4),
    ]
    asyncio.run(journal.record(*events))
    assert journal.history() == events


def test_a_stream_gives_the_events_after_a_number(journal, intents):
    events = intents(5)
    journal.note(*events)
    assert list(journal.stream(3)) == events[3:]


def test_a_history_does_not_change_when_more_is_recorded(journal, intents):
    journal.note(*intents(2))
    before = journal.history()
    journal.note(*intents(2, start=2))
    assert len(before) == 2
    assert len(journal.history()) == 4


def test_a_failed_record_says_so_and_leaves_no_part_of_it(small_journal, intents):
    kept = intents(10)
    asyncio.run(small_journal.record(*kept))
    with pytest.raises(JournalError, match="full"):
        asyncio.run(small_journal.record(*intents(10_000, start=10)))
    assert small_journal.history() == kept


def test_after_one_failure_every_later_record_and_flush_fails_and_notes_stay_silent(small_journal, intents):
    with pytest.raises(JournalError):
        asyncio.run(small_journal.record(*intents(10_000)))
    small_journal.note(*intents(1))
    for _ in range(2):
        with pytest.raises(JournalError, match="full"):
            asyncio.run(small_journal.record(*intents(1)))
        with pytest.raises(JournalError, match="full"):
            asyncio.run(small_journal.flush())
    assert small_journal.history() == []


def test_a_failed_note_is_heard_of_at_the_next_flush(small_journal, intents):
    async def write():
        small_journal.note(*intents(10_000))
        await small_journal.flush()

    with pytest.raises(JournalError, match="full"):
        asyncio.run(write())


def test_a_failure_is_one_line(small_journal, intents):
    with pytest.raises(JournalError) as caught:
        asyncio.run(small_journal.record(*intents(10_000)))
    assert "\n" not in str(caught.value)


def test_a_closed_journal_takes_nothing_more(journal, intents):
    journal.close()
    journal.close()
    journal.note(*intents(1))
    with pytest.raises(JournalError, match="closed"):
        asyncio.run(journal.record(*intents(1)))
    with pytest.raises(JournalError, match="closed"):
        asyncio.run(journal.flush())
    assert journal.history() == []


def test_a_cancelled_record_disturbs_no_other(journal, intents):
    first, second, third = intents(3)

    async def write():
        task = asyncio.ensure_future(journal.record(first))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.record(second)
        await journal.record(third)

    asyncio.run(write())
    assert journal.history() == [first, second, third]


def test_text_that_is_no_unicode_is_kept_as_far_as_it_goes(journal):
    asyncio.run(journal.record(Warned(at=1.0, message="broken \ud800 half")))
    assert [event.message.startswith("broken ") for event in journal.history()] == [True]
