"""What the archive measures."""

from __future__ import annotations

from mesh.metrics import Kind, Metric

ARCHIVED = Metric(
    name="archived_events_total",
    kind=Kind.COUNTER,
    help="Events of this service that were written to the archive and read back.",
    when_it_moves="It follows the writes by minutes. Standing still while archive_age_seconds grows: the blob store is away or full.",
)
ARCHIVE_AGE = Metric(
    name="archive_age_seconds",
    kind=Kind.GAUGE,
    help="Age of the oldest event that is not in the archive yet; 0 in a process that does not archive or when none waits.",
    when_it_moves="Above an hour: look for `the archive waits` in the log. Nothing is lost meanwhile, but the outbox keeps growing.",
)
