"""The conference's own facts hold together."""

from __future__ import annotations

from itertools import combinations

from gatechat.demo.data import conference


def test_everybody_speaks_and_every_topic_is_spoken_of() -> None:
    data = conference()
    assert data.find_speakers() == list(data.speakers.values())
    assert data.find_topics() == list(data.topics.values())


def test_nobody_and_no_room_is_wanted_twice_at_the_same_time() -> None:
    for one, other in combinations(conference().sessions.values(), 2):
        if one.timeslot == other.timeslot:
            assert one.room != other.room
            assert one.speaker != other.speaker
