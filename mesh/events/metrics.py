"""What relays and consumers measure."""

from __future__ import annotations

from mesh.metrics import GROUPS, TOPICS, Kind, Metric

OUTBOX_PUBLISHED = Metric(
    name="outbox_published_total",
    kind=Kind.COUNTER,
    help="Events that the relay gave to the stream, repeats included.",
    when_it_moves="A sudden multiple of the writes means that a relay sends again: the stream lost its contents or the relay restarts in a loop.",
)
OUTBOX_AGE = Metric(
    name="outbox_age_seconds",
    kind=Kind.GAUGE,
    help="Age of the oldest event that is not in the stream yet; 0 when there is none.",
    when_it_moves="Above 10 s: the stream is away (look at outbox_stream_away) or the relay does not keep up. Nothing is lost meanwhile.",
)
OUTBOX_AWAY = Metric(
    name="outbox_stream_away",
    kind=Kind.GAUGE,
    help="1 while the relay cannot reach the stream or its tables.",
    when_it_moves="Bring back Redis or Kafka; the relay goes on by itself.",
)
OUTBOX_REWOUND = Metric(
    name="outbox_rewound_total",
    kind=Kind.COUNTER,
    help="Times that the relay found a shard's mark in the stream behind what was acknowledged, and went back to it.",
    when_it_moves="A failover or a crash of Redis lost acknowledged events, and they were sent again: nothing is missing. Often: look at replication lag.",
)
CONSUMER_LAG = Metric(
    name="consumer_lag_records",
    kind=Kind.GAUGE,
    help="Events of a topic that a consumer group did not acknowledge yet; every replica tells the same, and nothing while the stream is away.",
    labels={"group": GROUPS, "topic": TOPICS},
    when_it_moves="Growing for a minute: its service is slow or down (event_delay_seconds, events_consumed_total), or an event fails at the head.",
)
CONSUMER_LAG_AGE = Metric(
    name="consumer_lag_seconds",
    kind=Kind.GAUGE,
    help="How long the oldest of them has been in the stream; 0 when there is none.",
    labels={"group": GROUPS, "topic": TOPICS},
    when_it_moves="Above 60 s: effects are that late. With few records one event blocks its partition: the log names it; else add replicas.",
)
EVENTS_CONSUMED = Metric(
    name="events_consumed_total",
    kind=Kind.COUNTER,
    help="Events that consumers took, by what became of them.",
    labels={"outcome": frozenset({"handled", "skipped", "failed", "dead_lettered"})},
    when_it_moves="failed: the log names the consumer and the reason. dead_lettered: list the dead letters, mend the cause, replay them.",
)
EVENT_DELAY = Metric(
    name="event_delay_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from the write of an event to its recorded effect.",
    when_it_moves="Compare with outbox_age_seconds: when that is small, a consumer is slow or its partition is blocked by a failing event.",
)
DEAD_LETTERS = Metric(
    name="dead_letters",
    kind=Kind.GAUGE,
    help="Events that this service's consumers gave up on and that nobody replayed yet.",
    when_it_moves="Each is an effect that is missing: list them with their reasons, mend the cause, replay them.",
)
