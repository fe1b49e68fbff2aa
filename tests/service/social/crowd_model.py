"""What may stand after a crowd did what it did: for each bond, act and comment the states that some order of its own acts ends in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from clipmesh.social.v1 import comment_service_pb2 as comment_pb

from tests.service.social.crowd_acts import Asked, Doing, Said
from tests.service.social.graph_model import Model as GraphModel
from tests.service.social.graph_model import Refused
from tests.service.social.graph_world import FOLLOWING, NONE
from tests.service.social.linearized import NEVER, Op, outcomes

S = TypeVar("S", bound=Hashable)

Bond = tuple[int, int, bool, bool]
"""The follow of the person with the smaller number, that of the other, and their blocks."""
Standing = tuple[str, str]
"""State and text of a comment."""

ACT_OF = {"Like": ("liked", True), "Unlike": ("liked", False), "Save": ("saved", True), "Unsave": ("saved", False)}
UNWRITTEN: Standing = ("", "")


def bond_after(bond: Bond, asked: Asked, *, low: int, high: int, private: Iterable[int]) -> Bond:
    """A bond after an act of one of the two. Raises Refused."""
    model = GraphModel(private=set(private))
    for who, whom, follow, blocks in ((low, high, bond[0], bond[2]), (high, low, bond[1], bond[3])):
        if follow != NONE:
            (model.follows if follow == FOLLOWING else model.requests)[who, whom] = 0
        if blocks:
            model.blocks[who, whom] = 0
    model.act(asked.word, asked.who, asked.whom, 0)
    there = model.relation(low, high)
    return there[0], there[1], there[2], there[4]


def comment_after(standing: Standing, asked: Asked) -> Standing:
    """A comment after something was done to it. Raises Refused."""
    state, text = standing
    held = "doubtful" in asked.text
    match asked.word:
        case "PostComment":
            return ("held" if held else "published"), asked.text
        case _ if state == "removed":
            raise Refused("COMMENT_NOT_FOUND")
        case "DeleteComment":
            return "removed", ""
        case "EditComment":
            return ("held" if held and state == "published" else state), asked.text
        case "HideComment":
            return "hidden", text
        case "ApproveComment":
            return "published", text
    raise AssertionError(asked)


@dataclass(slots=True)
class Told:
    """Everything that was done, by the thing that it was done to."""

    doing: Doing
    private: Sequence[int]
    blocks: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blocks = [one for one in self.doing.asked if one.word in {"Block", "Unblock"} and one.begun]

    # ── bonds ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def bond(self, low: int, high: int) -> set[Bond]:
        """What may stand between two people."""
        ops = [
            self._on_bond(one, low, high) for one in self.doing.asked if one.whom >= 0 and one.begun and {one.who, one.whom} == {low, high}
        ]
        for begun, ended, what, seen in self.doing.looks:
            if what == "bond" and {seen[0], seen[1]} == {low, high}:
                there = seen[2]
                bond = (there.follow, there.followed_by, there.blocks, there.blocked_by)
                mine = bond if seen[0] == low else (bond[1], bond[0], bond[3], bond[2])
                ops.append(_look(begun, ended, mine))
        return outcomes((NONE, NONE, False, False), ops)

    def _on_bond(self, asked: Asked, low: int, high: int) -> Op[Bond]:
        def after(bond: Bond) -> list[Bond]:
            try:
                now = bond_after(bond, asked, low=low, high=high, private=self.private)
            except Refused as refused:
                return [bond] if not asked.is_sure or asked.refusal == str(refused) else []
            if not asked.is_sure:
                return [now]
            if asked.refusal:
                return []
            told = asked.answer.relationship
            mine = (now[0], now[1], now[2]) if asked.who == low else (now[1], now[0], now[3])
            return [now] if (told.follow, told.followed_by, told.blocks) == mine else []

        return asked.op(after)

    # ── likes and saves ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def act(self, who: int, video: int, kind: str) -> set[bool]:
        """Whether somebody may have done something with a video in the end."""
        ops: list[Op[bool]] = []
        for one in self.doing.asked:
            if one.who == who and one.video == video and one.begun and ACT_OF.get(one.word, ("", False))[0] == kind:
                active = ACT_OF[one.word][1]
                assert not one.refusal, one
                # One's own act shows in the answer to it.
                assert not one.is_sure or getattr(one.answer.state, kind) is active, one
                ops.append(one.op(_done(active)))
        for begun, ended, what, seen in self.doing.looks:
            if what == "state" and seen[:2] == (who, video):
                ops.append(_look(begun, ended, seen[2][kind]))
        return outcomes(False, ops)

    # ── comments ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def comment(self, said: Said) -> set[Standing]:
        """How a comment may stand."""
        ops: list[Op[Standing]] = []
        for one in self.doing.asked:
            if not one.begun:
                continue
            if one.word == "PostComment" and one.text == said.text:
                ops.append(one.op(_done(comment_after(UNWRITTEN, one))))
            elif one.said is not None and one.said.comment_id == said.comment_id:
                if one.word in {"EditComment", "DeleteComment", "HideComment", "ApproveComment"}:
                    ops.append(self._on_comment(one))
                elif one.word in {"PostComment", "LikeComment"} and one.ended != NEVER and not one.refusal:
                    # Only what is published can be answered, and liked.
                    ops.append(Op(begun=one.begun, ended=one.ended, after=_published, what=f"{one}"))
        for begun, ended, what, seen in self.doing.looks:
            if what == "page":
                for node in _flat(seen[1]):
                    if node.comment_id == said.comment_id:
                        ops.append(_look(begun, ended, ("published" if node.text else "removed", node.text)))
        return outcomes(UNWRITTEN, ops)

    @staticmethod
    def _on_comment(asked: Asked) -> Op[Standing]:
        def after(standing: Standing) -> list[Standing]:
            try:
                now = comment_after(standing, asked)
            except Refused as refused:
                # Of two that delete at once both are told that it is gone.
                both = asked.word == "DeleteComment" and not asked.refusal
                return [standing] if not asked.is_sure or asked.refusal == str(refused) or both else []
            return [now] if not (asked.is_sure and asked.refusal) else []

        return asked.op(after)

    def comment_like(self, who: int, said: Said) -> set[bool]:
        """Whether somebody may like a comment in the end."""
        ops: list[Op[bool]] = []
        for one in self.doing.asked:
            if one.word not in {"LikeComment", "UnlikeComment"} or one.who != who or not one.begun or (one.refusal and one.is_sure):
                continue
            if one.said is not None and one.said.comment_id == said.comment_id:
                active = one.word == "LikeComment"
                ops.append(one.op(_done(active)))
        return outcomes(False, ops)

    # ── who is parted ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def may_be_parted(self, one: int, other: int, begun: float, ended: float) -> bool:
        """Whether a block may have stood between two people at some moment of a time."""
        for block in self._blocks(one, other):
            if block.begun < ended and not any(
                lift.who == block.who and lift.begun > block.ended and lift.ended < begun and not lift.refusal
                for lift in self._blocks(one, other, "Unblock")
            ):
                return True
        return False

    def is_parted(self, one: int, other: int, begun: float, ended: float) -> bool:
        """Whether a block certainly stood between two people all of a time."""
        return any(
            block.ended < begun
            and not block.refusal
            and not any(
                lift.who == block.who and lift.ended > block.begun and lift.begun < ended for lift in self._blocks(one, other, "Unblock")
            )
            for block in self._blocks(one, other)
        )

    def ever_parted(self, one: int, other: int) -> bool:
        """Whether anybody of two ever wanted to block the other."""
        return bool(self._blocks(one, other))

    def _blocks(self, one: int, other: int, word: str = "Block") -> list[Asked]:
        return [asked for asked in self.blocks if asked.word == word and {asked.who, asked.whom} == {one, other}]

    # ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def check_refusals(self) -> None:
        """Each refusal of a comment or of a like of one has its reason, and nothing was written or shown across a block."""
        owners = range(len(self.doing.videos))
        for one in self.doing.asked:
            if one.word not in {"PostComment", "LikeComment"} or one.ended == NEVER:
                continue
            owner = owners[one.video]
            above = one.said.chain if one.said else []
            authors = {said.author for said in above}
            if one.refusal == "COMMENT_NOT_ALLOWED":
                assert self.may_be_parted(one.who, owner, one.begun, one.ended), one
            elif one.refusal:
                assert one.refusal == "COMMENT_NOT_FOUND", one
                assert any(self.may_be_parted(one.who, author, one.begun, one.ended) for author in authors) or any(
                    self._may_have_left(said, one.ended) for said in above
                ), one
            elif one.is_sure:
                parted = [author for author in authors if self.is_parted(one.who, author, one.begun, one.ended)]
                left = {said.author for said in above if ("removed", "") in self.comment(said)}
                assert not set(parted) - left, one
        for begun, ended, what, seen in self.doing.looks:
            if what == "page":
                known = {said.comment_id: said for said in self.doing.said}
                for node in _flat(seen[1]):
                    if node.text and node.comment_id in known:
                        assert not self.is_parted(seen[0], known[node.comment_id].author, begun, ended), (seen[0], node)

    def _may_have_left(self, said: Said, ended: float) -> bool:
        return any(
            (one.text == said.text and "doubtful" in one.text)
            or (
                one.said is not None
                and one.said.comment_id == said.comment_id
                and (one.word in {"DeleteComment", "HideComment"} or (one.word == "EditComment" and "doubtful" in one.text))
            )
            for one in self.doing.asked
            if one.begun and one.begun < ended
        )


def _done(now: S) -> Callable[[S], list[S]]:
    """Whatever stood before, this stands after it."""
    return lambda _: [now]


def _look(begun: float, ended: float, seen: S) -> Op[S]:
    return Op(begun=begun, ended=ended, after=lambda state: [state] if state == seen else [], what=f"saw {seen}")


def _published(standing: Standing) -> list[Standing]:
    return [standing] if standing[0] == "published" else []


def _flat(nodes: Iterable[comment_pb.CommentNode]) -> list[comment_pb.Comment]:
    found: list[comment_pb.Comment] = []
    for node in nodes:
        found += [node.comment, *_flat(node.children)]
    return found


flat = _flat
