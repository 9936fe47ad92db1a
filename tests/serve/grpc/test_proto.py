"""Our messages are those of others: the standard client's, and what protoc makes of our files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.duration_pb2 import Duration
from tritonclient.grpc import model_config_pb2, service_pb2

from weft.serve.grpc import proto

FOLDER = Path(proto.__file__).parent
OURS = sorted(path.name for path in FOLDER.glob("*.proto"))
SERVICE = "GRPCInferenceService"


def messages(of: Any) -> dict[str, Any]:
    """All messages of a file, those within others, too."""
    found: dict[str, Any] = {}

    def add(descriptor: Any) -> None:
        found[descriptor.full_name] = descriptor
        for nested in descriptor.nested_types:
            add(nested)

    for one in of.message_types_by_name.values():
        add(one)
    return found


def fields(descriptor: Any) -> dict[str, tuple[object, ...]]:
    return {
        field.name: (
            field.number,
            field.type,
            field.is_repeated,
            field.message_type.full_name if field.message_type else None,
            field.enum_type.full_name if field.enum_type else None,
            field.containing_oneof.name if field.containing_oneof else None,
        )
        for field in descriptor.fields
    }


def theirs() -> dict[str, Any]:
    return {**messages(service_pb2.DESCRIPTOR), **messages(model_config_pb2.DESCRIPTOR)}


def test_every_field_is_the_standard_clients():
    known = theirs()
    ours = messages(proto.pool().FindFileByName("inference.proto"))
    assert len(ours) > 50
    for name, descriptor in ours.items():
        standard = fields(known[name])
        assert fields(descriptor).items() <= standard.items(), name
        assert descriptor.GetOptions().map_entry == known[name].GetOptions().map_entry


def test_messages_of_inference_have_all_fields():
    known, ours = theirs(), messages(proto.pool().FindFileByName("inference.proto"))
    narrow = {
        "ModelConfig",
        "ModelInput",
        "ModelOutput",
        "ModelInstanceGroup",
        "ModelVersionPolicy",
        "ModelDynamicBatching",
    }
    narrow |= {"ModelStatistics"}
    for name, descriptor in ours.items():
        if name.split(".")[1] not in narrow:
            assert fields(descriptor) == fields(known[name]), name


@pytest.mark.parametrize("name", ["DataType", "ModelInstanceGroup.Kind"])
def test_enums_are_the_standard_clients(name: str):
    ours = proto.pool().FindEnumTypeByName(f"inference.{name}")
    standard = model_config_pb2.DESCRIPTOR.pool.FindEnumTypeByName(f"inference.{name}")
    assert ours.values_by_name.keys() == standard.values_by_name.keys()
    assert all(ours.values_by_name[key].number == value.number for key, value in standard.values_by_name.items())


def test_every_method_is_the_standard_clients():
    standard = service_pb2.DESCRIPTOR.services_by_name[SERVICE]
    ours = proto.pool().FindServiceByName(f"inference.{SERVICE}")
    told = [
        (m.name, m.input_type.full_name, m.output_type.full_name, m.client_streaming, m.server_streaming)
        for service in (ours, standard)
        for m in service.methods
    ]
    assert len(ours.methods) == 12
    assert set(told[:12]) <= set(told[12:])


@pytest.mark.parametrize("name", OURS)
def test_protoc_reads_our_files_as_we_do(name: str, tmp_path: Path):
    made = tmp_path / "set"
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={FOLDER}",
        f"--descriptor_set_out={made}",
        name,
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (standard,) = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes()).file
    ours = descriptor_pb2.FileDescriptorProto()
    proto.pool().FindFileByName(name).CopyToProto(ours)
    for file in (standard, ours):
        strip(file.message_type)
    assert ours == standard


def strip(descriptors: Any) -> None:
    """Names for JSON are given by one side only."""
    for descriptor in descriptors:
        strip(descriptor.nested_type)
        for field in descriptor.field:
            field.ClearField("json_name")


def test_retry_info_is_what_others_read():
    made = proto.message("google.rpc.RetryInfo")()
    made.retry_delay.seconds, made.retry_delay.nanos = 2, 500
    field = made.SerializeToString()
    assert Duration.FromString(field[2:]) == Duration(seconds=2, nanos=500)


def test_a_message_that_is_not_there():
    with pytest.raises(KeyError):
        proto.message("inference.Nothing")
