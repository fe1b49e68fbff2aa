"""Words of people stand in clear in no store: written through the public API, then looked for in every file that the system keeps."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from devstack.client import Api, new_request_id
from devstack.client.errors import ApiError
from mesh.clock import SystemClock
from mesh.events.archive.parquet import COLUMNS, decode
from mesh.secrets import Secrets
from mesh.stores.blobs import open_blobs
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, until
from tests.hostile.media.portraits import CANARY, with_everything

PASSWORD = "a long battery staple"
CANARIES = {
    "first handle": "zqfirsthandle",
    "handle": "zqsecondhandle",
    "address": "zqaddress",
    "address that nobody has": "zqnobodysaddress",
    "first display name": "Zqfirstname Quokka",
    "display name": "Zqsecondname Quokka",
    "first bio": "zqfirstbio about me",
    "bio": "zqsecondbio about me",
    "first collection": "Zqfirstcollection",
    "collection": "Zqsecondcollection",
    "first comment": "zqfirstcomment well danced",
    "comment": "zqsecondcomment well danced",
    "held word": "zqheldword",
    "wrong login": "zqwronglogin",
    "device": "Firefox on Linux",
    "words in a picture": CANARY.decode(),
}
"""What is written, each word of its own so that a find tells where it came from."""
CAPTION = "zqcaption of a clip"
"""Content of a public clip, which stands in clear: the same search finds it."""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
ME = "{ me { email user { id handle displayName bio } sessions { edges { node { device } } } } }"
POST = "mutation($input: PostCommentInput!) { postComment(input: $input) { comment { id text } } }"
EDIT = "mutation($input: EditCommentInput!) { editComment(input: $input) { comment { text } } }"
CREATE = "mutation($input: CreateCollectionInput!) { createCollection(input: $input) { collection { id } } }"
RENAME = "mutation($input: RenameCollectionInput!) { renameCollection(input: $input) { collection { id } } }"
COLLECTIONS = "{ collections { edges { node { name } } } }"


async def commented(stage: Stage, api: Api, clip: Path) -> None:
    """A clip of theirs with a comment that was edited, and words that are to be held."""
    video_id = await stage.public(api, clip, CAPTION)
    posting = {"requestId": new_request_id(), "videoId": video_id, "text": CANARIES["first comment"]}
    posted = (await api.query(POST, input=posting))["postComment"]["comment"]
    assert posted["text"] == CANARIES["first comment"]
    editing = {"requestId": new_request_id(), "commentId": posted["id"], "text": CANARIES["comment"]}
    assert (await api.query(EDIT, input=editing))["editComment"]["comment"]["text"] == CANARIES["comment"]
    await api.mutate(
        "updateCommentFilters",
        "UpdateCommentFiltersInput",
        "__typename",
        requestId=new_request_id(),
        words=[CANARIES["held word"]],
        holdLinks=False,
        holdAll=False,
    )


async def pictured(api: Api) -> None:
    """A picture of theirs, with a place and words beside its pixels."""
    sent = with_everything()
    start = await api.mutate(
        "startAvatarUpload", "StartAvatarUploadInput", "upload { imageId url }", requestId=new_request_id(), sizeBytes=str(len(sent))
    )
    (await api._http.put(start["upload"]["url"], content=sent)).raise_for_status()
    shown = await api.mutate(
        "completeAvatar",
        "CompleteAvatarInput",
        "user { avatar { url(size: 512) } }",
        requestId=new_request_id(),
        imageId=start["upload"]["imageId"],
    )
    face = await api._http.get(shown["user"]["avatar"]["url"])
    assert (face.status_code, face.headers["content-type"]) == (200, "image/webp")


async def lived(stage: Stage) -> str:
    """Somebody who said all of it, and changed what can be changed; their id."""
    word = CANARIES
    api = stage.people["canary"] = Api(stage.system.layout.origin)
    api._http.headers["user-agent"] = FIREFOX
    await api.mutate(
        "signUp",
        "SignUpInput",
        "user { id }",
        requestId=new_request_id(),
        handle=word["first handle"],
        email=f"{word['address']}@example.org",
        password=PASSWORD,
        birthDate="1991-03-04",
        displayName=word["first display name"],
        consents=["PERSONALISATION"],
    )
    await api.sign_in(word["first handle"], PASSWORD)
    for display_name, bio in ((word["first display name"], word["first bio"]), (word["display name"], word["bio"])):
        await api.mutate(
            "updateProfile", "UpdateProfileInput", "user { id }", requestId=new_request_id(), displayName=display_name, bio=bio
        )
    await api.mutate("changeHandle", "ChangeHandleInput", "user { handle }", requestId=new_request_id(), handle=word["handle"])
    made = (await api.query(CREATE, input={"requestId": new_request_id(), "name": word["first collection"]}))["createCollection"]
    renaming = {"requestId": new_request_id(), "collectionId": made["collection"]["id"], "name": word["collection"]}
    await api.query(RENAME, input=renaming)
    for address in ("address", "address that nobody has"):
        await api.mutate("requestPasswordReset", "RequestPasswordResetInput", "taken", email=f"{word[address]}@example.org")
    stranger = stage.people["stranger"] = Api(api.origin)
    with pytest.raises(ApiError):
        await stranger.sign_in(word["wrong login"], PASSWORD)
    await api.query("query($handle: String!) { user(handle: $handle) { id } }", handle=word["handle"])
    me = (await api.query(ME))["me"]
    assert (me["email"], me["user"]["handle"], me["user"]["displayName"], me["user"]["bio"]) == (
        f"{word['address']}@example.org",
        word["handle"],
        word["display name"],
        word["bio"],
    ), "who they are of reads them"
    assert [edge["node"]["device"] for edge in me["sessions"]["edges"]] == [word["device"]]
    collections = (await api.query(COLLECTIONS))["collections"]["edges"]
    assert [edge["node"]["name"] for edge in collections] == [word["collection"]]
    return str(me["user"]["id"])


def forms(text: str) -> set[bytes]:
    """How a text may stand in a file: as it is, in UTF-16, in hexadecimal, and as Base64 at any of the three offsets; all in lower case."""
    plain = text.encode()
    coded = {base64.b64encode(b"x" * offset + plain)[4 if offset else 0 : -4].decode().encode() for offset in range(3)}
    return {one.lower() for one in (plain, text.encode("utf-16-le"), plain.hex().encode(), *coded)}


def kept(folder: Path) -> dict[str, bytes]:
    """Every file of the data folder by its name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def archived(folder: Path) -> dict[str, bytes]:
    """What stands in archived files, which are compressed: their columns, and their envelopes, which the service seals, opened."""
    import pyarrow.parquet  # noqa: PLC0415 - large, and only this test reads it

    blobs = open_blobs(f"file://{folder / 'blobs'}", clock=SystemClock(), url_key=b"")
    await blobs.prepare()
    key, found = Secrets.load(folder / "run" / "secrets" / "social.json").named("archive_key"), dict[str, bytes]()
    try:
        for blob in (await blobs.list("archive/")).blobs:
            path = folder / "scratch" / "archived"
            await blobs.get_file(blob.key, path)
            table = await asyncio.to_thread(pyarrow.parquet.read_table, path)
            assert tuple(table.column_names) == COLUMNS
            found[f"{blob.key} (columns)"] = repr(table.drop(["envelope"]).to_pylist()).encode()
            found[f"{blob.key} (envelopes)"] = b"".join(map(EventEnvelope.SerializeToString, decode(path.read_bytes(), key=key)))
    finally:
        await blobs.close()
    return found


@pytest.mark.timeout(120)
async def test_no_store_has_words_of_people_in_clear(clip: Path) -> None:
    with socket_folder() as folder:
        stage = Stage.at(folder, CLIPMESH_ARCHIVE_EVERY_MS="3000")
        await stage.system.start()
        try:
            user_id = await lived(stage)
            await pictured(stage.people["canary"])
            await commented(stage, stage.people["canary"], clip)
            await stage.quiet()

            async def is_archived() -> bool:
                names = " ".join(stage.engines.objects(folder))
                return "ProfileChanged" in names and "CommentEdited" in names

            await until(is_archived, what="the events are archived")
            streamed = [*await stage.envelopes("social"), *await stage.envelopes("keys")]
        finally:
            await stage.close()
        looked_for = {name: forms(word) for name, word in CANARIES.items()}
        said = b"".join(envelope.SerializeToString() for envelope in streamed)
        files = {"the stream": said, **await archived(folder), **await asyncio.to_thread(kept, folder)}
        assert {
            (where, what)
            for where, content in files.items()
            for low in (content.lower(),)
            for what, words in looked_for.items()
            if any(word in low for word in words)
        } == set()
        # What was looked through is where such things would stand: the same search finds who they are of.
        found = {where for where, content in files.items() if user_id.encode() in content}
        assert "the stream" in found
        assert any(where.startswith("tables/video") for where, content in files.items() if CAPTION.encode() in content)
        assert any(where.startswith("redis/") for where in found)
        assert any(where.startswith("tables/social") for where in found)
        assert any(where.endswith("(envelopes)") for where in found)
        assert any(where.startswith("run/logs/") for where in files)
