"""Texts, words and scores of comments."""

from __future__ import annotations

import pytest

from svc_social.comments import rules, texts
from svc_social.comments.errors import TooManyMentions
from svc_social.comments.tables import Comment, CommentState
from svc_social.comments.trees import Node, seen

BORN_MS = 1_760_000_000_000


def comment(number: int, *, author_id: int = 1, state: CommentState = CommentState.PUBLISHED, **fields: object) -> Comment:
    values: dict[str, object] = {"child_count": 0, "posted_at_ms": BORN_MS, **fields}
    return Comment(
        thread_id=1,
        revision=0,
        parent_id=0,
        comment_id=number,
        author_id=author_id,
        state=state,
        **values,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("hi @Alice and @bob.", ("alice", "bob")),
        ("(@alice),@bob!", ("alice", "bob")),
        ("@alice @ALICE", ("alice",)),
        ("mail me at a@bob.example", ()),
        ("https://x.example/@alice", ()),
        ("@@alice @a @.x", ()),
        ("@alice.b_c-d", ("alice.b_c",)),
        ("@" + "x" * 25, ()),
    ],
)
def test_handles_are_found_where_people_are_meant(text: str, handles: tuple[str, ...]) -> None:
    assert texts.mentions_in(text) == handles


def test_ten_people_may_be_named() -> None:
    assert len(texts.mentions_in(" ".join(f"@person{number}" for number in range(10)))) == 10
    with pytest.raises(TooManyMentions):
        texts.mentions_in(" ".join(f"@person{number}" for number in range(10_000)))


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("You are SO bad!", "bad", True),
        ("badly done", "bad", False),
        ("the  very\nend", "very end", True),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full", True),
        ("秘密です", "秘密", True),
        ("😀😀", "😀", True),
        ("nothing", "", False),
    ],
)
def test_a_creators_words_are_found_as_words(text: str, word: str, *, found: bool) -> None:
    assert texts.has_word(text, [word] if word else []) is found


def test_the_score_grows_with_points_and_age_takes_nothing_away() -> None:
    fresh = comment(1)
    assert rules.score(fresh, likes=0) == rules.score(fresh, likes=1)
    assert rules.score(fresh, likes=10) - rules.score(fresh, likes=1) == 100
    assert rules.score(comment(1, child_count=5), likes=0) == rules.score(fresh, likes=10)
    three_days_later = comment(1, posted_at_ms=BORN_MS + 3 * 86_400_000)
    assert rules.score(three_days_later, likes=1) == rules.score(fresh, likes=10)
    assert rules.score(comment(1, limited=True), likes=1_000) == 0
    for state in (CommentState.HELD, CommentState.HIDDEN, CommentState.REMOVED):
        assert rules.score(comment(1, state=state), likes=9) == rules.UNRANKED


def test_nothing_is_shown_below_what_is_not() -> None:
    def thread() -> list[Node]:
        leaf = Node(comment=comment(3, author_id=3))
        middle = Node(comment=comment(2, author_id=2, child_count=1), children=[leaf], last_child_id=3)
        return [Node(comment=comment(1, author_id=1, child_count=1), children=[middle], last_child_id=2)]

    assert [node.comment.comment_id for node in seen(thread(), parted=())] == [1]
    assert seen(thread(), parted={1}) == []
    [root] = seen(thread(), parted={2})
    assert (root.children, root.total_children, root.has_more) == ([], 0, False)
    hidden = thread()
    hidden[0].children[0].comment = comment(2, state=CommentState.HIDDEN, child_count=1)
    assert seen(hidden, parted=())[0].children == []


def test_a_tombstone_goes_with_the_last_that_is_shown_below_it() -> None:
    below = Node(comment=comment(2, author_id=2))
    tombstone = Node(comment=comment(1, author_id=0, state=CommentState.REMOVED, child_count=1), children=[below], last_child_id=2)
    assert seen([tombstone], parted={2}) == []
