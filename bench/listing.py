"""Every bench, in the order in which they run, with the seconds it may take."""

from __future__ import annotations

from bench import (
    chain,
    comments,
    cql,
    effect,
    fanout,
    first_play,
    idle,
    install,
    kafka,
    ladder,
    likes,
    overhead,
    page,
    s3,
    sign_in,
    startup,
    titles,
    upload,
    workers,
    writes,
)
from bench.plan import Bench

BENCHES: tuple[Bench, ...] = (
    Bench(module=ladder, bound_s=1_800),
    Bench(module=overhead, bound_s=900),
    Bench(module=titles, bound_s=3_600),
    Bench(module=first_play, bound_s=1_800),
    Bench(module=workers, bound_s=7_200),
    Bench(module=writes, bound_s=300),
    Bench(module=chain, bound_s=300),
    Bench(module=likes, bound_s=300),
    Bench(module=fanout, bound_s=600),
    Bench(module=comments, bound_s=300),
    Bench(module=sign_in, bound_s=300),
    Bench(module=kafka, bound_s=600),
    Bench(module=page, bound_s=300),
    Bench(module=s3, bound_s=600),
    Bench(module=effect, bound_s=300),
    Bench(module=cql, bound_s=600),
    Bench(module=upload, bound_s=1_200),
    Bench(module=startup, bound_s=300),
    Bench(module=idle, bound_s=600),
    Bench(module=install, bound_s=600),
)
