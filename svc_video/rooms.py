"""The areas of the video service put together, without anything that opens a socket or a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.pages import PageTokens
from mesh.secrets import Secrets
from mesh.stores.blobs.port import Blobs
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from mesh.telemetry import Telemetry
from svc_video.images.actions import ImageActions
from svc_video.images.endings import Endings
from svc_video.images.orphans import ImageOrphans
from svc_video.images.rules import Limits as ImageLimits
from svc_video.images.store import ImageStore
from svc_video.images.sweeper import ImageSweeper
from svc_video.images.tables import IMAGE_TABLES
from svc_video.people import People
from svc_video.pictures import Squares, squares_of
from svc_video.playback.actions import PlaybackActions, Revocations
from svc_video.playback.store import RevocationStore
from svc_video.playback.tables import PLAYBACK_TABLES
from svc_video.settings import VideoSettings
from svc_video.uploads.actions import MediaQueue, UploadActions
from svc_video.uploads.missing import MissingBytes
from svc_video.uploads.orphans import Orphans
from svc_video.uploads.sessions import Sessions
from svc_video.uploads.store import UploadStore
from svc_video.uploads.sweeper import UploadSweeper
from svc_video.uploads.tables import UPLOAD_TABLES
from svc_video.videos.actions import MediaActions, VideoActions
from svc_video.videos.changes import VideoChanges, Wakeups
from svc_video.videos.neighbours import Neighbours
from svc_video.videos.progress import Hint, ProgressBoard
from svc_video.videos.publishing import PublicationDriver, SoundRegistrar
from svc_video.videos.purging import Purger
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import VIDEO_TABLES, OpenWork, Video, WorkKind
from svc_video.videos.work import DONE_MS, Handle, WorkLoop

ROOM_TABLES: tuple[type, ...] = (*VIDEO_TABLES, *UPLOAD_TABLES, *PLAYBACK_TABLES, *IMAGE_TABLES)


class Jobs(MediaQueue, Protocol):
    """What the other areas need of processing."""

    async def close(self, video_id: int) -> None:
        """No job of the video is given to a worker any more; again changes nothing."""
        ...

    def ask_for_rest(self, video_id: int) -> None:
        """Somebody would play a rendition that was left for later; never waits, again changes nothing."""
        ...


J = TypeVar("J", bound=Jobs)


class Rooms(Generic[J]):
    """Stores, actions and loops of videos, uploads, playback and images."""

    def __init__(
        self,
        *,
        tables: Tables,
        blobs: Blobs,
        events: EventMaker,
        next_id: Callable[[], int],
        clock: Clock,
        secrets: Secrets,
        settings: VideoSettings,
        neighbours: Neighbours,
        people: People,
        hint: Hint,
        telemetry: Telemetry,
        jobs_of: Callable[[MediaActions], J],
        squares: Squares = squares_of,
    ) -> None:
        videos, uploads = VideoStore(tables=tables), UploadStore(tables=tables)
        wakeups = Wakeups()
        progress = ProgressBoard(hint=hint)
        requests = RequestLog(tables, clock)
        tokens = PageTokens(secrets.named("page_token_key"))
        self.revocations = Revocations(store=RevocationStore(tables=tables), clock=clock)
        self.changes = VideoChanges(store=videos, events=events, clock=clock, wakeups=wakeups, revoke=self.revocations.revoke)
        self.media = MediaActions(store=videos, changes=self.changes, progress=progress)
        self.videos = VideoActions(
            store=videos,
            changes=self.changes,
            progress=progress,
            people=people,
            requests=requests,
            tokens=tokens,
            next_id=next_id,
            clock=clock,
        )
        self.jobs = jobs_of(self.media)
        sessions = Sessions(store=uploads, blobs=blobs, videos=self.videos, media=self.media, queue=self.jobs, telemetry=telemetry)
        self.uploads = UploadActions(
            store=uploads,
            sessions=sessions,
            blobs=blobs,
            videos=self.videos,
            requests=requests,
            tokens=tokens,
            next_id=next_id,
            clock=clock,
            limits=settings.limits,
        )
        self.sweeper = UploadSweeper(
            store=uploads,
            sessions=sessions,
            blobs=blobs,
            videos=self.videos,
            clock=clock,
            limits=settings.limits,
            sweep_ms=settings.upload_sweep_ms,
            reconcile_ms=settings.upload_reconcile_ms,
            orphans=Orphans(store=uploads, blobs=blobs, videos=self.videos, clock=clock, telemetry=telemetry),
            missing=MissingBytes(store=uploads, blobs=blobs, videos=self.videos, media=self.media, telemetry=telemetry),
        )
        images = ImageStore(tables=tables)
        endings = Endings(store=images, blobs=blobs)
        self.images = ImageActions(
            store=images,
            endings=endings,
            blobs=blobs,
            requests=requests,
            next_id=next_id,
            clock=clock,
            sign=secrets.sign,
            squares=squares,
            limits=ImageLimits(),
        )
        self.image_sweeper = ImageSweeper(
            store=images,
            endings=endings,
            orphans=ImageOrphans(store=images, blobs=blobs, clock=clock),
            shown_by=neighbours.avatars_of,
            clock=clock,
            sweep_ms=settings.upload_sweep_ms,
            reconcile_ms=settings.upload_reconcile_ms,
        )
        self.playback = PlaybackActions(videos=self.videos, sign=secrets.sign, clock=clock, ask_for_rest=self.jobs.ask_for_rest)

        async def revoke(_: OpenWork, video: Video) -> int:
            await self.revocations.revoke(video.video_id, video.epoch)
            return DONE_MS

        driver = PublicationDriver(store=videos, changes=self.changes, neighbours=neighbours)
        registrar = SoundRegistrar(store=videos, changes=self.changes, neighbours=neighbours)
        purger = Purger(store=videos, changes=self.changes, blobs=blobs, clock=clock, close_jobs=self.jobs.close)
        handlers: dict[WorkKind, Handle] = {
            WorkKind.ASSESS: driver.assess,
            WorkKind.REVOKE: revoke,
            WorkKind.SOUND: registrar.register,
            WorkKind.PURGE: purger.purge,
        }
        self.loops = {
            kind: WorkLoop(kind=kind, store=videos, clock=clock, handle=handle, wakeup=wakeups.of(kind), telemetry=telemetry)
            for kind, handle in handlers.items()
        }
