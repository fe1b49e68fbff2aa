"""Writes buf/validate/validate.proto from the descriptor inside the installed protovalidate wheel: `derive_validate.py FOLDER`.

The wheel carries the descriptor but not its source. Deriving the source keeps the annotations of our protos and the
validator that enforces them at one version, and keeps a third-party file out of the repository. Only the constructs that
the file uses are printed; anything else is refused by name, so that an upgrade can never lose a rule silently.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb
from google.protobuf import (
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    text_format,
    timestamp_pb2,
)
from google.protobuf.message import Message
from protovalidate._gen.buf.validate import validate_pb

_WELL_KNOWN = (pb, duration_pb2, field_mask_pb2, timestamp_pb2)
_MAX_FIELD_NUMBER = 1 << 29
_LABELS = {
    pb.FieldDescriptorProto.LABEL_OPTIONAL: "optional",
    pb.FieldDescriptorProto.LABEL_REQUIRED: "required",
    pb.FieldDescriptorProto.LABEL_REPEATED: "repeated",
}


class UnknownConstruct(Exception):
    """The descriptor uses something that the printer does not know; teach the printer before upgrading protovalidate."""


def wheel_descriptor() -> pb.FileDescriptorProto:
    """The descriptor of validate.proto as the installed validator understands it; it has no comments."""
    return pb.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())


class ProtoPrinter:
    """Prints one proto2 file so that compiling the text gives an equal descriptor."""

    def __init__(self, *, file: pb.FileDescriptorProto) -> None:
        self._file = file
        self._pool = descriptor_pool.DescriptorPool()
        for module in _WELL_KNOWN:
            self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        # The file declares the extensions that its own options use: they have to be known to be printed by name.
        self._pool.AddSerializedFile(file.SerializeToString())

    def text(self) -> str:
        """The whole file."""
        file = self._file
        _refuse(file.syntax not in {"", "proto2"}, f"syntax {file.syntax}")
        _refuse(bool(file.service or file.public_dependency or file.weak_dependency), f"services or special imports in {file.name}")
        lines = ['syntax = "proto2";', f"package {file.package};"]
        lines += [f'import "{name}";' for name in file.dependency]
        lines += [f"option {option};" for option in self._options(file.options)]
        for enum in file.enum_type:
            lines += self._enum(enum)
        for message in file.message_type:
            lines += self._message(message)
        for extension in file.extension:
            lines += [f"extend {extension.extendee} {{", f"  {self._field(extension)}", "}"]
        return "\n".join(lines) + "\n"

    def _message(self, message: pb.DescriptorProto) -> Iterator[str]:
        _refuse(message.options.map_entry or bool(message.extension), f"map entry or nested extension in {message.name}")
        yield f"message {message.name} {{"
        yield from (f"  option {option};" for option in self._options(message.options))
        for enum in message.enum_type:
            yield from _indent(self._enum(enum))
        for nested in message.nested_type:
            yield from _indent(self._message(nested))
        open_oneof: int | None = None
        for field in message.field:
            _refuse(field.type == pb.FieldDescriptorProto.TYPE_GROUP, f"group {field.name}")
            index = field.oneof_index if field.HasField("oneof_index") else None
            if index != open_oneof:
                if open_oneof is not None:
                    yield "  }"
                if index is not None:
                    yield f"  oneof {message.oneof_decl[index].name} {{"
                    yield from (f"    option {option};" for option in self._options(message.oneof_decl[index].options))
                open_oneof = index
            yield f"    {self._field(field)}"
        if open_oneof is not None:
            yield "  }"
        yield from (f"  reserved {_span(span.start, span.end - 1)};" for span in message.reserved_range)
        yield from (f'  reserved "{name}";' for name in message.reserved_name)
        for span in message.extension_range:
            yield f"  extensions {_span(span.start, span.end - 1)}{_bracket(self._options(span.options))};"
        yield "}"

    def _field(self, field: pb.FieldDescriptorProto) -> str:
        kind = field.type_name or pb.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        label = "" if field.HasField("oneof_index") else f"{_LABELS[field.label]} "
        options = list(self._options(field.options))
        if field.HasField("default_value"):
            quoted = field.type in {pb.FieldDescriptorProto.TYPE_STRING, pb.FieldDescriptorProto.TYPE_BYTES}
            options.append(f'default = "{field.default_value}"' if quoted else f"default = {field.default_value}")
        if not field.extendee and field.json_name and field.json_name != _json_name(field.name):
            options.append(f'json_name = "{field.json_name}"')
        return f"{label}{kind} {field.name} = {field.number}{_bracket(options)};"

    def _enum(self, enum: pb.EnumDescriptorProto) -> Iterator[str]:
        yield f"enum {enum.name} {{"
        yield from (f"  option {option};" for option in self._options(enum.options))
        for value in enum.value:
            yield f"  {value.name} = {value.number}{_bracket(self._options(value.options))};"
        yield from (f"  reserved {_span(span.start, span.end)};" for span in enum.reserved_range)
        yield from (f'  reserved "{name}";' for name in enum.reserved_name)
        yield "}"

    def _options(self, options: Message) -> Iterator[str]:
        """Each option as `name = value`, read by the pool that knows the file's extensions."""
        known = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        for field, value in known.FromString(options.SerializeToString()).ListFields():
            name = f"({field.full_name})" if field.is_extension else field.name
            for item in value if field.is_repeated else [value]:
                if field.message_type is not None:
                    yield f"{name} = {{ {text_format.MessageToString(item, as_one_line=True)} }}"
                elif field.enum_type is not None:
                    yield f"{name} = {field.enum_type.values_by_number[item].name}"
                else:
                    yield f"{name} = {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    _refuse(not isinstance(value, int | float), f"option of type {type(value).__name__}")
    return str(value)


def _span(first: int, last: int) -> str:
    if last >= _MAX_FIELD_NUMBER - 1:
        return f"{first} to max"
    return str(first) if first == last else f"{first} to {last}"


def _bracket(options: Iterable[str]) -> str:
    joined = ", ".join(options)
    return f" [{joined}]" if joined else ""


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _indent(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _refuse(condition: bool, what: str) -> None:
    if condition:
        raise UnknownConstruct(what)


def main() -> int:
    """Writes the file only when it changed, in one step: several runs may share the folder."""
    file = wheel_descriptor()
    target = Path(sys.argv[1]) / file.name
    text = ProtoPrinter(file=file).text()
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
