"""Property values to and from the engine's protobuf structs, with unknowns and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc

from sandbox.cloud.values import SIGNATURE_KEY, UNKNOWN, Props, Value

if TYPE_CHECKING:
    from collections.abc import Collection

_SECRET: Final = rpc._special_secret_sig  # noqa: SLF001 - the protocol's constants have no public name
_OUTPUT: Final = rpc._special_output_value_sig  # noqa: SLF001
_RESOURCE: Final = rpc._special_resource_sig  # noqa: SLF001


def decode(struct: struct_pb2.Struct) -> tuple[Props, frozenset[str]]:
    """Plain values, and the names of the top-level properties that hold a secret somewhere inside."""
    secret: set[str] = set()
    props: Props = {}
    for key, value in struct.fields.items():
        found = [False]
        decoded = _decode(value, found)
        if found[0]:
            secret.add(key)
        if decoded is not None:
            props[key] = decoded
    return props, frozenset(secret)


def _decode(value: struct_pb2.Value, secret: list[bool]) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(item, secret) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_struct(value.struct_value, secret)
    return None


def _decode_struct(struct: struct_pb2.Struct, secret: list[bool]) -> Value:
    fields = struct.fields
    signature = fields[SIGNATURE_KEY].string_value if SIGNATURE_KEY in fields else ""
    if signature == _SECRET:
        secret[0] = True
        return _decode(fields["value"], secret)
    if signature == _OUTPUT:
        if "secret" in fields and fields["secret"].bool_value:
            secret[0] = True
        return _decode(fields["value"], secret) if "value" in fields else UNKNOWN
    if signature == _RESOURCE:
        return _decode(fields["id"], secret) if "id" in fields else None
    decoded = {key: _decode(item, secret) for key, item in fields.items()}
    return {key: item for key, item in decoded.items() if item is not None}


def encode(props: Props, secret: Collection[str] = ()) -> struct_pb2.Struct:
    """A struct in which the named top-level properties are secrets."""
    struct = struct_pb2.Struct()
    for key, value in props.items():
        if value is None:
            continue
        target = struct.fields[key]
        if key in secret:
            target.struct_value.fields[SIGNATURE_KEY].string_value = _SECRET
            target = target.struct_value.fields["value"]
        _encode(target, value)
    return struct


def _encode(target: struct_pb2.Value, value: Value) -> None:
    if isinstance(value, list):
        target.list_value.SetInParent()
        for item in value:
            _encode(target.list_value.values.add(), item)
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            if item is not None:
                _encode(target.struct_value.fields[key], item)
    else:
        _encode_scalar(target, value)


def _encode_scalar(target: struct_pb2.Value, value: Value) -> None:
    if value is UNKNOWN:
        target.string_value = rpc.UNKNOWN
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    else:
        raise TypeError(f"cannot send a {type(value).__name__} to the engine")
