"""What the conference knows, and the questions that its API can ask of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Speaker:
    id: int
    name: str
    role: str
    about: str


@dataclass(frozen=True, slots=True)
class Topic:
    id: int
    title: str


@dataclass(frozen=True, slots=True)
class Session:
    """``day`` counts from 1; ``starts`` and ``ends`` are "HH:MM" there and then."""

    id: int
    title: str
    speaker: Speaker
    day: int
    timeslot: str
    room: str
    topics: tuple[Topic, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Conference:
    speakers: dict[int, Speaker]
    topics: dict[int, Topic]
    sessions: dict[int, Session]

    def find_sessions(
        self,
        *,
        day: int | None = None,
        speaker_name: str | None = None,
        keyword: str | None = None,
        speaker: Speaker | None = None,
        topic: Topic | None = None,
    ) -> list[Session]:
        """The sessions for which all that is given holds; names and keywords match anywhere, in any case."""
        return [
            session
            for session in self.sessions.values()
            if day in (None, session.day)
            and speaker in (None, session.speaker)
            and (topic is None or topic in session.topics)
            and (speaker_name is None or speaker_name.casefold() in session.speaker.name.casefold())
            and (keyword is None or keyword.casefold() in f"{session.title}\n{session.text}".casefold())
        ]

    def find_speakers(
        self, *, day: int | None = None, name: str | None = None, topic: Topic | None = None
    ) -> list[Speaker]:
        speaking = {
            session.speaker for session in self.find_sessions(day=day, speaker_name=name, topic=topic)
        }
        return [speaker for speaker in self.speakers.values() if speaker in speaking]

    def find_topics(self, *, day: int | None = None, speaker: Speaker | None = None) -> list[Topic]:
        spoken_of = {
            topic for session in self.find_sessions(day=day, speaker=speaker) for topic in session.topics
        }
        return [topic for topic in self.topics.values() if topic in spoken_of]


@cache
def conference() -> Conference:
    """The one conference, read from conference.json."""
    raw = json.loads(resources.files(__package__).joinpath("conference.json").read_text(encoding="utf-8"))
    speakers = {row["id"]: Speaker(**row) for row in raw["speakers"]}
    topics = {row["id"]: Topic(**row) for row in raw["topics"]}
    sessions = {
        row["id"]: Session(
            id=row["id"],
            title=row["title"],
            speaker=speakers[row["speaker"]],
            day=row["day"],
            timeslot=f"{raw['days'][row['day'] - 1]} {row['starts']} - {row['ends']}",
            room=row["room"],
            topics=tuple(topics[id] for id in row["topics"]),
            text=row["text"],
        )
        for row in raw["sessions"]
    }
    return Conference(speakers, topics, sessions)
