"""Rights, social and sound as the video service knows them: small, in memory, served over real gRPC."""

from __future__ import annotations

import itertools
from typing import Any

from clipmesh.rights.v1 import publication_service_pb2 as rights_pb2
from clipmesh.rights.v1 import publication_service_pb2_grpc as rights_grpc
from clipmesh.social.v1 import graph_service_pb2 as graph_pb2
from clipmesh.social.v1 import graph_service_pb2_grpc as graph_grpc
from clipmesh.social.v1 import profile_service_pb2 as social_pb2
from clipmesh.social.v1 import profile_service_pb2_grpc as social_grpc
from clipmesh.sound.v1 import catalogue_service_pb2 as sound_pb2
from clipmesh.sound.v1 import catalogue_service_pb2_grpc as sound_grpc

from mesh.auth import current_viewer
from mesh.errors import Unavailable
from mesh.server import Access, ServedService


def _served(module: Any, grpc_module: Any, name: str, servicer: Any) -> ServedService:
    """Serve the methods that the fake has; the others answer UNIMPLEMENTED."""
    descriptor = module.DESCRIPTOR.services_by_name[name]
    base = getattr(grpc_module, f"{name}Servicer")
    served: Any = type(
        f"Served{name}",
        (base,),
        {method.name: getattr(servicer, method.name, None) or getattr(base, method.name) for method in descriptor.methods},
    )
    return ServedService(
        add_to_server=getattr(grpc_module, f"add_{name}Servicer_to_server"),
        servicer=served(),
        descriptor=descriptor,
        access={method.name: Access(callers={"video"}, idempotent=True) for method in descriptor.methods},
    )


class FakeRights:
    """Keeps the promises of the gate: a stored verdict per publication, the same for the same facts, versions that grow per subject."""

    def __init__(self) -> None:
        self.kind = rights_pb2.VERDICT_KIND_ALLOW
        self.down = False
        self.asked: list[rights_pb2.AssessPublicationRequest] = []
        self.verdicts: dict[int, rights_pb2.Verdict] = {}
        self._ids = itertools.count(1)

    async def AssessPublication(self, request: Any, context: Any) -> rights_pb2.AssessPublicationResponse:  # noqa: N802
        if self.down:
            raise Unavailable("rights rests")
        assert not current_viewer().user_id, "background work carries no viewer"
        self.asked.append(request)
        known = self.verdicts.get(request.video_id)
        if known is None or known.publication_version < request.publication_version:
            known = self.decide(request.video_id, self.kind, publication_version=request.publication_version)
        return rights_pb2.AssessPublicationResponse(verdict=known)

    def decide(self, video_id: int, kind: Any, *, publication_version: int) -> rights_pb2.Verdict:
        """A new verdict of the rules or a moderator."""
        last = self.verdicts.get(video_id, rights_pb2.Verdict())
        verdict = rights_pb2.Verdict(
            verdict_id=next(self._ids),
            video_id=video_id,
            kind=kind,
            policy="text.blocked_word",
            publication_version=publication_version,
            version=last.version + 1,
        )
        self.verdicts[video_id] = verdict
        return verdict

    @property
    def served(self) -> ServedService:
        return _served(rights_pb2, rights_grpc, "PublicationService", self)


class FakeSocial:
    """Knows the standing of whoever is put into it."""

    def __init__(self) -> None:
        self.down = False
        self.standings: dict[int, social_pb2.Standing] = {}
        self.avatars: dict[int, int] = {}
        """Person -> the picture they show."""

    async def BatchGetStandings(self, request: Any, context: Any) -> social_pb2.BatchGetStandingsResponse:  # noqa: N802
        if self.down:
            raise Unavailable("social rests")
        found = [self.standings[user_id] for user_id in request.user_ids if user_id in self.standings]
        return social_pb2.BatchGetStandingsResponse(standings=found)

    async def BatchGetProfiles(self, request: Any, context: Any) -> social_pb2.BatchGetProfilesResponse:  # noqa: N802
        if self.down:
            raise Unavailable("social rests")
        assert not current_viewer().user_id, "background work carries no viewer"
        profiles = [social_pb2.Profile(user_id=one, avatar_id=self.avatars.get(one, 0)) for one in request.user_ids]
        return social_pb2.BatchGetProfilesResponse(profiles=profiles)

    @property
    def served(self) -> ServedService:
        return _served(social_pb2, social_grpc, "ProfileService", self)


class FakeGraph:
    """Knows who follows and who blocks whom."""

    def __init__(self) -> None:
        self.down = False
        self.follows: set[tuple[int, int]] = set()
        self.blocks: set[tuple[int, int]] = set()
        self.followers: dict[int, int] = {}
        self.asked: list[list[int]] = []
        self.counted: list[int] = []

    async def BatchGetRelationships(self, request: Any, context: Any) -> graph_pb2.BatchGetRelationshipsResponse:  # noqa: N802
        if self.down:
            raise Unavailable("social rests")
        self.asked.append(list(request.user_ids))
        viewer_id = current_viewer().user_id
        assert viewer_id, "nobody has no relationships"
        return graph_pb2.BatchGetRelationshipsResponse(relationships=[self._between(viewer_id, one) for one in request.user_ids])

    async def BatchGetGraphCounts(self, request: Any, context: Any) -> graph_pb2.BatchGetGraphCountsResponse:  # noqa: N802
        if self.down:
            raise Unavailable("social rests")
        assert not current_viewer().user_id, "background work carries no viewer"
        self.counted += request.user_ids
        return graph_pb2.BatchGetGraphCountsResponse(
            counts=[graph_pb2.GraphCounts(user_id=user_id, followers=self.followers.get(user_id, 0)) for user_id in request.user_ids]
        )

    def _between(self, who: int, whom: int) -> graph_pb2.Relationship:
        def follow(pair: tuple[int, int]) -> graph_pb2.FollowState.ValueType:
            return graph_pb2.FOLLOW_STATE_FOLLOWING if pair in self.follows else graph_pb2.FOLLOW_STATE_UNSPECIFIED

        there, back = (who, whom), (whom, who)
        return graph_pb2.Relationship(
            user_id=whom,
            follow=follow(there),
            followed_by=follow(back),
            blocks=there in self.blocks,
            blocked_by=back in self.blocks,
        )

    @property
    def served(self) -> ServedService:
        return _served(graph_pb2, graph_grpc, "GraphService", self)


class FakeSound:
    """Makes one sound per video."""

    def __init__(self) -> None:
        self.down = False
        self.loses_answers = False
        self.asked: list[sound_pb2.RegisterOriginalSoundRequest] = []

    async def RegisterOriginalSound(self, request: Any, context: Any) -> sound_pb2.RegisterOriginalSoundResponse:  # noqa: N802
        if self.down:
            raise Unavailable("sound rests")
        self.asked.append(request)
        if self.loses_answers:
            raise Unavailable("the answer was lost")
        return sound_pb2.RegisterOriginalSoundResponse(sound=sound_pb2.Sound(sound_id=request.video_id + 1, creator_id=request.creator_id))

    @property
    def served(self) -> ServedService:
        return _served(sound_pb2, sound_grpc, "CatalogueService", self)
