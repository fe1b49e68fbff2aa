"""A protoc plugin for buf that writes Python messages, gRPC stubs and their types with the protoc inside grpcio-tools."""

import sys
import tempfile
from pathlib import Path

import grpc_tools.protoc  # type: ignore[import-untyped]
from google.protobuf.compiler import plugin_pb2 as plugin
from google.protobuf.descriptor_pb2 import FileDescriptorSet

_MESSAGES = ("--python_out=", "--mypy_out=quiet:")
# All our servers and clients are grpc.aio: types that also allow sync stubs would let a forgotten await pass.
_SERVICES = ("--grpc_python_out=", "--mypy_grpc_out=quiet,only_async:")


def respond(request: plugin.CodeGeneratorRequest) -> plugin.CodeGeneratorResponse:
    """The generated files of the request; protoc reads descriptors, so no source has to be found again."""
    response = plugin.CodeGeneratorResponse(supported_features=plugin.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    services = {file.name for file in request.proto_file if file.service}
    calls = ((_MESSAGES, list(request.file_to_generate)), (_SERVICES, [name for name in request.file_to_generate if name in services]))
    with tempfile.TemporaryDirectory() as folder:
        out, descriptors = Path(folder, "out"), Path(folder, "descriptors.binpb")
        out.mkdir()
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        for options, names in calls:
            arguments = [f"{option}{out}" for option in options]
            if names and grpc_tools.protoc.main(["protoc", f"--descriptor_set_in={descriptors}", *arguments, *names]):
                response.error = f"protoc {' '.join(options)} failed; its own message stands above"
                return response
        for path in sorted(out.rglob("*.py*")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text(encoding="utf-8"))
    return response


if __name__ == "__main__":
    sys.stdout.buffer.write(respond(plugin.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())).SerializeToString())
