"""Metrics of notifications."""

from __future__ import annotations

from mesh.metrics import Kind, Metric

DELIVERIES = Metric(
    name="notification_deliveries_total",
    kind=Kind.COUNTER,
    help="Deliveries of notifications by channel and outcome: sent, held (quiet hours), needless (read or withdrawn before), failed (tried again), "
    "dead (given up).",
    labels={"channel": frozenset({"push", "mail"}), "outcome": frozenset({"sent", "held", "needless", "failed", "dead"})},
    when_it_moves="`failed` rising: look at the push or mail adapter. `dead` rising: it was away for longer than is tried (about a day).",
)
FANNED_OUT = Metric(
    name="notification_fan_out_inboxes_total",
    kind=Kind.COUNTER,
    help="Inboxes that publications were brought to.",
    when_it_moves="Flat while people with followers publish: look for errors of the work `fan-out` in the log of social.",
)
