"""The services to the right that videos ask: standing from social, a verdict from rights, an original sound from sound."""

from __future__ import annotations

from collections.abc import Collection

from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb2
from clipmesh.rights.v1.publication_service_pb2_grpc import PublicationServiceStub
from clipmesh.social.v1 import graph_service_pb2 as graph_pb2
from clipmesh.social.v1 import profile_service_pb2 as social_pb2
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub
from clipmesh.sound.v1 import catalogue_service_pb2 as sound_pb2
from clipmesh.sound.v1.catalogue_service_pb2_grpc import CatalogueServiceStub

from mesh.auth import without_viewer
from svc_video.creators import Creator, Trust
from svc_video.videos.convert import verdict_from_proto
from svc_video.videos.rules import Verdict
from svc_video.videos.tables import MediaFacts, Video

_LEVELS = {
    social_pb2.STANDING_LEVEL_NEW: rights_pb2.ACCOUNT_LEVEL_NEW,
    social_pb2.STANDING_LEVEL_GOOD: rights_pb2.ACCOUNT_LEVEL_GOOD,
    social_pb2.STANDING_LEVEL_LIMITED: rights_pb2.ACCOUNT_LEVEL_LIMITED,
    social_pb2.STANDING_LEVEL_SUSPENDED: rights_pb2.ACCOUNT_LEVEL_SUSPENDED,
}


_TRUST = {
    social_pb2.STANDING_LEVEL_NEW: Trust.NEW,
    social_pb2.STANDING_LEVEL_GOOD: Trust.GOOD,
    social_pb2.STANDING_LEVEL_LIMITED: Trust.LIMITED,
    social_pb2.STANDING_LEVEL_SUSPENDED: Trust.LIMITED,
}


_PROFILES_AT_ONCE = 200
"""People of one question (social.v1)."""


class Neighbours:
    """Calls to the right, made by the service itself with no viewer behind them. All raise RpcFailed."""

    def __init__(
        self, *, rights: PublicationServiceStub, social: ProfileServiceStub, graph: GraphServiceStub, sound: CatalogueServiceStub
    ) -> None:
        self._rights = rights
        self._social = social
        self._graph = graph
        self._sound = sound

    async def verdict_on(self, video: Video, facts: MediaFacts) -> Verdict:
        """What the gate says of the publication as it is in `video`, with the creator's standing of now.

        A creator that social does not know, and a level that this code does not know, go as UNSPECIFIED: the gate has a rule for that.
        """
        with without_viewer():
            standings = await self._social.BatchGetStandings(social_pb2.BatchGetStandingsRequest(user_ids=[video.creator_id]))
            standing = next((found for found in standings.standings if found.user_id == video.creator_id), social_pb2.Standing())
            answer = await self._rights.AssessPublication(
                rights_pb2.AssessPublicationRequest(
                    video_id=video.video_id,
                    creator_id=video.creator_id,
                    publication_version=video.publication_version,
                    caption=video.caption,
                    hashtags=video.hashtag_list,
                    language=video.language,
                    perceptual_hashes=facts.hashes,
                    findings=[rights_pb2.MediaFinding(name=finding.name, score=finding.score) for finding in facts.findings],
                    classified=facts.classified,
                    account_level=_LEVELS.get(standing.level, rights_pb2.ACCOUNT_LEVEL_UNSPECIFIED),
                    age_band=standing.age_band or viewer_pb2.AGE_BAND_UNSPECIFIED,
                )
            )
        return verdict_from_proto(answer.verdict)

    async def creator(self, creator_id: int) -> Creator | None:
        """What social knows of an account; None for one that it does not know."""
        with without_viewer():
            answer = await self._social.BatchGetStandings(social_pb2.BatchGetStandingsRequest(user_ids=[creator_id]))
            standing = next((found for found in answer.standings if found.user_id == creator_id), None)
            if standing is None:
                return None
            trust = _TRUST.get(standing.level, Trust.UNKNOWN)
            followers = await self._followers_of(creator_id) if standing.verified else 0
        return Creator(trust=trust, account_age_ms=standing.account_age_ms, verified=standing.verified, followers=followers)

    async def avatars_of(self, user_ids: Collection[int]) -> dict[int, int]:
        """Which picture each of these people shows now; who shows none, and whom social does not know, are left out."""
        wanted, found = sorted(set(user_ids)), dict[int, int]()
        with without_viewer():
            for start in range(0, len(wanted), _PROFILES_AT_ONCE):
                asked = social_pb2.BatchGetProfilesRequest(user_ids=wanted[start : start + _PROFILES_AT_ONCE])
                profiles = (await self._social.BatchGetProfiles(asked)).profiles
                found |= {profile.user_id: profile.avatar_id for profile in profiles if profile.avatar_id}
        return found

    async def _followers_of(self, creator_id: int) -> int:
        answer = await self._graph.BatchGetGraphCounts(graph_pb2.BatchGetGraphCountsRequest(user_ids=[creator_id]))
        return next((found.followers for found in answer.counts if found.user_id == creator_id), 0)

    async def original_sound_of(self, video: Video, facts: MediaFacts) -> int:
        """The id of the original sound made of a video's audio; the same one whenever it is asked."""
        with without_viewer():
            answer = await self._sound.RegisterOriginalSound(
                sound_pb2.RegisterOriginalSoundRequest(
                    video_id=video.video_id, creator_id=video.creator_id, duration_ms=video.duration_ms, audio_key=facts.audio_key
                )
            )
        return answer.sound.sound_id
