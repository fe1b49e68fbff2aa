"""The derived validate.proto says what the wheel says, and annotations of our messages bite."""

from pathlib import Path

import grpc_tools.protoc  # type: ignore[import-untyped]
import protovalidate
import pytest
from buf.validate import validate_pb2
from clipmesh.video.v1 import upload_service_pb2 as uploads
from google.protobuf import descriptor_pb2 as pb

from codegen.derive_validate import ProtoPrinter, UnknownConstruct, wheel_descriptor


def compiled(text: str, folder: Path) -> pb.FileDescriptorProto:
    """What protoc understands of a text of validate.proto."""
    source = folder / "buf/validate/validate.proto"
    source.parent.mkdir(parents=True)
    source.write_text(text, encoding="utf-8")
    out = folder / "out.binpb"
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    assert grpc_tools.protoc.main(["protoc", f"-I{folder}", f"-I{well_known}", f"--descriptor_set_out={out}", str(source)]) == 0
    return pb.FileDescriptorSet.FromString(out.read_bytes()).file[0]


def test_compiling_the_printed_text_gives_an_equal_descriptor(tmp_path: Path) -> None:
    file = wheel_descriptor()
    again = compiled(ProtoPrinter(file=file).text(), tmp_path)
    again.ClearField("source_code_info")
    assert again == file


def test_the_generated_module_carries_the_rules_of_the_wheel() -> None:
    generated = pb.FileDescriptorProto()
    validate_pb2.DESCRIPTOR.CopyToProto(generated)
    file = wheel_descriptor()
    for message in (*file.message_type, *generated.message_type):
        for field in (*message.field, *message.extension):
            field.ClearField("json_name")
    for extension in (*file.extension, *generated.extension):
        extension.ClearField("json_name")
    assert generated == file


@pytest.mark.parametrize("change", ["group", "map", "service", "proto3"])
def test_a_construct_that_the_printer_does_not_know_is_refused(change: str) -> None:
    file = pb.FileDescriptorProto(name="x.proto", package="x")
    message = file.message_type.add(name="M")
    match change:
        case "group":
            message.nested_type.add(name="G")
            message.field.add(name="g", number=1, label="LABEL_OPTIONAL", type="TYPE_GROUP", type_name=".x.M.G")
        case "map":
            entry = message.nested_type.add(name="MEntry", options=pb.MessageOptions(map_entry=True))
            entry.field.add(name="key", number=1, label="LABEL_OPTIONAL", type="TYPE_STRING")
            entry.field.add(name="value", number=2, label="LABEL_OPTIONAL", type="TYPE_STRING")
            message.field.add(name="m", number=1, label="LABEL_REPEATED", type="TYPE_MESSAGE", type_name=".x.M.MEntry")
        case "service":
            file.service.add(name="S")
        case _:
            file.syntax = "proto3"
    with pytest.raises(UnknownConstruct):
        ProtoPrinter(file=file).text()


def test_annotations_of_generated_messages_are_enforced() -> None:
    good = uploads.StartUploadRequest(request_id="r", size_bytes=1, mime_type="video/mp4")
    protovalidate.validate(good)
    bad = uploads.StartUploadRequest(request_id="r" * 65, size_bytes=0, mime_type="video/mp4", sha256=b"short")
    found = {
        ".".join(element.field_name for element in violation.proto.field.elements): violation.proto.rule_id
        for violation in protovalidate.collect_violations(bad)
        if violation.proto.field is not None
    }
    assert found == {"request_id": "string.max_len", "size_bytes": "int64.gte", "sha256": "sha256.length"}
