"""Rules that every proto of ours keeps and that buf lint does not hold."""

import re
import tomllib
from collections.abc import Iterator

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, MethodDescriptor

from tests.contract.codegen.conftest import GENERATED, ROOT

READS = ("Get", "BatchGet", "List")
"""How the names of RPCs begin that change nothing."""
REQUEST_ID = {"min_len": 1, "max_len": 64}
NATURALLY_REPEATABLE = {
    "clipmesh.common.v1.OperatorService.ReplayDeadLetter": "what was replayed is no dead letter any more",
    "clipmesh.common.v1.OperatorService.ReplayArchive": "the effects of events are recorded once, whatever comes twice",
    "clipmesh.common.v1.OperatorService.RewindConsumerGroup": "goes to the same place again, and what is not newer changes nothing",
    "clipmesh.feed.v1.SignalService.MintViewTokens": "signs and writes nothing",
    "clipmesh.feed.v1.SignalService.ReportWatch": "every report has an event_id and counts once",
    "clipmesh.rights.v1.PublicationService.AddBlockedHash": "the first entry of a hash stays",
    "clipmesh.rights.v1.PublicationService.AssessPublication": "video and publication_version name the one verdict",
    "clipmesh.rights.v1.PublicationService.RemoveBlockedHash": "what is not on the list is removed already",
    "clipmesh.rights.v1.ReviewService.DecideReview": "the same decision again changes nothing, another one is refused",
    "clipmesh.rights.v1.TextPolicyService.BatchAssessTexts": "judges and writes nothing",
    "clipmesh.social.v1.EngagementService.DeleteCollection": "what is gone is gone, and says so for a day",
    "clipmesh.social.v1.IdentityService.Authorize": "each call gives a code of its own, and a lost one ends unused",
    "clipmesh.social.v1.IdentityService.EndAllSessions": "what has ended ends again",
    "clipmesh.social.v1.IdentityService.EndSession": "what has ended ends again",
    "clipmesh.social.v1.IdentityService.ExchangeCode": "the code works once; its repeat has to end the session",
    "clipmesh.social.v1.IdentityService.GrantRole": "says whether the role is given or not, whatever it was",
    "clipmesh.social.v1.IdentityService.RefreshTokens": "the token names its generation; the repeat within the grace gets the same successor",
    "clipmesh.social.v1.IdentityService.RequestPasswordReset": "mails another link; the first use of one ends all",
    "clipmesh.social.v1.IdentityService.RevokeSession": "what has ended ends again",
    "clipmesh.social.v1.IdentityService.SetBan": "says whether the person is banned or not, whatever it was",
    "clipmesh.social.v1.IdentityService.VerifyEmail": "says that the address is verified, whatever it was",
    "clipmesh.social.v1.ProfileService.UpdateConsents": "brings the whole set, whatever it was",
    "clipmesh.sound.v1.CatalogueService.RegisterOriginalSound": "a video has one original sound",
    "clipmesh.video.v1.ImageService.CompleteImage": "what was made is made again of nothing, and the permit is a new one",
    "clipmesh.video.v1.JobService.CommitJob": "the fencing token names the attempt",
    "clipmesh.video.v1.JobService.FailJob": "the fencing token names the attempt",
    "clipmesh.video.v1.JobService.Heartbeat": "the fencing token names the attempt",
    "clipmesh.video.v1.JobService.LeaseJob": "a lease whose answer is lost ends by itself",
    "clipmesh.video.v1.JobService.RedoVideo": "a video whose jobs are open again is dead no more",
    "clipmesh.video.v1.UploadService.AbortUpload": "what has ended ends again",
    "clipmesh.video.v1.UploadService.CompleteUpload": "what is closed is closed again",
    "clipmesh.video.v1.UploadService.SignUploadParts": "signs and writes nothing",
    "clipmesh.video.v1.VideoService.BatchIssuePermits": "signs and writes nothing",
    "clipmesh.video.v1.VideoService.DeleteVideo": "what is gone is gone again",
}
"""Writes without a request_id, each with what makes its repeat harmless."""
SERVICES = {"video", "feed", "social", "sound", "rights"}
PAGING = {"page_size": FieldDescriptor.TYPE_INT32, "page_token": FieldDescriptor.TYPE_STRING}
NOT_PAGED = {
    "clipmesh.feed.v1.FeedService.GetForYou": "an endless feed continues after an item that was played, not after a page",
    "clipmesh.video.v1.PlaybackService.ListRevocations": "a log that never ends is followed by position",
    "clipmesh.social.v1.IdentityService.ListSigningKeys": "the JWKS document is read whole; there are a few keys at most",
}
OPAQUE_IDS = {
    "request_id": "chosen by the client",
    "client_id": "an OAuth client",
    "key_id": "a kid, shown in tokens",
    "session_id": "a browser session, opaque",
    "feed_session_id": "a feed session, opaque",
    "worker_id": "a process",
    "token_id": "random, of a view token",
}
OPAQUE_FIELDS = {"clipmesh.feed.v1.WatchReport.event_id": "chosen by the client to make its report repeatable"}


def messages_of(holder: FileDescriptor | Descriptor) -> Iterator[Descriptor]:
    """Every message below a file or message, nested ones included."""
    direct = holder.message_types_by_name if isinstance(holder, FileDescriptor) else holder.nested_types_by_name
    for message in direct.values():
        yield message
        yield from messages_of(message)


def enums_of(file: FileDescriptor) -> Iterator[EnumDescriptor]:
    """Every enum of a file, nested ones included."""
    yield from file.enum_types_by_name.values()
    for message in messages_of(file):
        yield from message.enum_types


def methods(files: list[FileDescriptor]) -> list[MethodDescriptor]:
    """Every RPC."""
    return [method for file in files for service in file.services_by_name.values() for method in service.methods]


def test_every_service_has_contracts_and_a_reason_enum(files: list[FileDescriptor]) -> None:
    packages = {file.package for file in files}
    assert packages == {f"clipmesh.{name}.v1" for name in SERVICES | {"common"}}
    reasons = {enum.full_name for file in files for enum in enums_of(file) if enum.name.endswith("ErrorReason")}
    assert reasons == {f"clipmesh.{name}.v1.{name.capitalize()}ErrorReason" for name in SERVICES | {"common"}}
    with_services = {method.containing_service.file.package for method in methods(files)}
    assert with_services == {f"clipmesh.{name}.v1" for name in SERVICES | {"common"}}


def test_path_is_package_is_version(files: list[FileDescriptor]) -> None:
    assert [file.name for file in files if not re.fullmatch(file.package.replace(".", "/") + r"/[a-z_]+\.proto", file.name)] == []


def test_services_stand_in_files_of_their_name(files: list[FileDescriptor]) -> None:
    wrong = [file.name for file in files if file.services_by_name and not file.name.endswith("_service.proto")]
    assert wrong == []


def test_every_rpc_is_unary(files: list[FileDescriptor]) -> None:
    found = methods(files)
    assert found
    assert [method.full_name for method in found if method.client_streaming or method.server_streaming] == []


def test_every_rpc_has_its_own_request_and_response(files: list[FileDescriptor]) -> None:
    wrong = [
        method.full_name
        for method in methods(files)
        if (method.input_type.name, method.output_type.name) != (f"{method.name}Request", f"{method.name}Response")
    ]
    assert wrong == []


def test_writes_take_a_request_id_or_say_why_they_need_none(files: list[FileDescriptor]) -> None:
    named, nameless = {}, set()
    for method in methods(files):
        if "request_id" in method.input_type.fields_by_name:
            named[method.full_name] = method.input_type.fields_by_name["request_id"]
        elif not method.name.startswith(READS):
            nameless.add(method.full_name)
    assert nameless == NATURALLY_REPEATABLE.keys()
    assert not [name for name in named if name.rpartition(".")[2].startswith(READS)], "a read has nothing to repeat"
    for name, field in named.items():
        rules = field.GetOptions().Extensions[validate_pb2.field].string
        assert {rule.name: value for rule, value in rules.ListFields()} == REQUEST_ID, name


def test_every_enum_starts_with_unspecified(files: list[FileDescriptor]) -> None:
    enums = [enum for file in files for enum in enums_of(file)]
    assert enums
    assert [enum.full_name for enum in enums if not enum.values_by_number[0].name.endswith("_UNSPECIFIED")] == []


def test_lists_are_paged(files: list[FileDescriptor]) -> None:
    paged = [
        method for method in methods(files) if method.name.startswith("List") or PAGING.keys() & method.input_type.fields_by_name.keys()
    ]
    assert NOT_PAGED.keys() <= {method.full_name for method in paged}, "an exception outlived its RPC"
    for method in paged:
        if method.full_name in NOT_PAGED:
            continue
        fields = method.input_type.fields_by_name
        assert {name: fields[name].type for name in PAGING if name in fields} == PAGING, method.full_name
        answer = method.output_type.fields_by_name
        assert "next_page_token" in answer, method.full_name
        assert answer["next_page_token"].type == FieldDescriptor.TYPE_STRING, method.full_name
        assert any(field.is_repeated for field in answer.values()), method.full_name


def test_a_page_token_is_answered_only_to_paged_requests(files: list[FileDescriptor]) -> None:
    wrong = [
        method.full_name
        for method in methods(files)
        if "next_page_token" in method.output_type.fields_by_name and "page_token" not in method.input_type.fields_by_name
    ]
    assert wrong == []


def test_ids_are_int64_snowflakes_unless_they_are_opaque(files: list[FileDescriptor]) -> None:
    fields = [field for file in files for message in messages_of(file) for field in message.fields]
    texts = {
        field.full_name: field.name for field in fields if field.name.endswith(("_id", "_ids")) and field.type != FieldDescriptor.TYPE_INT64
    }
    assert OPAQUE_FIELDS.keys() <= texts.keys(), "an exception outlived its field"
    assert {name: word for name, word in texts.items() if name not in OPAQUE_FIELDS and word not in OPAQUE_IDS} == {}


def test_times_are_whole_numbers_with_their_unit(files: list[FileDescriptor]) -> None:
    fields = [field for file in files for message in messages_of(file) for field in message.fields]
    lengths = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_INT32}
    assert [field.full_name for field in fields if field.name.endswith("_at")] == []
    assert [field.full_name for field in fields if field.name.endswith("_at_ms") and field.type != FieldDescriptor.TYPE_INT64] == []
    assert [field.full_name for field in fields if field.name.endswith("_ms") and field.type not in lengths] == []


def test_floors_of_the_runtime_equal_the_generator() -> None:
    written = {
        "protobuf": r"^# Protobuf Python Version: (\S+)$",
        "grpcio": r"^GRPC_GENERATED_VERSION = '(\S+)'$",
    }
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(GENERATED.rglob("*.py")))
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for package, pattern in written.items():
        floors = [re.split(r"[>=,<]+", line)[1] for line in dependencies if re.match(rf"{package}>=", line)]
        assert set(re.findall(pattern, sources, re.MULTILINE)) == set(floors), package
