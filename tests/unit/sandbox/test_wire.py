from __future__ import annotations

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc

from sandbox.cloud.values import SIGNATURE_KEY, UNKNOWN
from sandbox.providers import wire

SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


def struct(value: dict[str, object]) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


def test_values_come_back_as_they_were() -> None:
    value = {"a": 1, "b": 1.5, "c": True, "d": False, "e": "", "f": [], "g": {}, "h": [{"i": [0]}], "u": UNKNOWN}
    assert wire.decode(wire.encode(value)) == (value, frozenset())


def test_null_is_unset() -> None:
    assert wire.decode(struct({"a": None, "b": {"c": None, "d": 1}})) == ({"b": {"d": 1}}, frozenset())
    assert dict(wire.encode({"a": None, "b": {"c": None}})) == {"b": {}}


def test_a_secret_is_known_by_its_top_level_property() -> None:
    inner = {SIGNATURE_KEY: SECRET, "value": "s"}
    decoded, secret = wire.decode(struct({"plain": "p", "top": inner, "deep": {"list": [inner]}}))
    assert decoded == {"plain": "p", "top": "s", "deep": {"list": ["s"]}}
    assert secret == {"top", "deep"}


def test_a_secret_goes_back_wrapped() -> None:
    encoded = json_format.MessageToDict(wire.encode({"a": "s", "b": "p"}, {"a"}))
    assert encoded == {"a": {SIGNATURE_KEY: SECRET, "value": "s"}, "b": "p"}


def test_output_values_and_unknowns() -> None:
    known = {SIGNATURE_KEY: OUTPUT, "value": 3, "secret": True}
    unknown = {SIGNATURE_KEY: OUTPUT}
    decoded, secret = wire.decode(struct({"a": known, "b": unknown, "c": rpc.UNKNOWN}))
    assert decoded == {"a": 3, "b": UNKNOWN, "c": UNKNOWN}
    assert secret == {"a"}
