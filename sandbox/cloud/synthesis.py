"""What a cloud answers: the id and the computed outputs of a resource, always the same for the same inputs.

One model, two uses: the simulated cloud stores what is made here, and the mocks of the component tests return it.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import string
import typing
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence as AbstractSequence
from typing import TYPE_CHECKING, Any

from recovery.ids import derive_id, fill
from sandbox.cloud import schema
from sandbox.cloud.provider import ProviderConfig, defaults_for, merged_labels
from sandbox.cloud.rules import Rule, Synthesis
from sandbox.cloud.values import UNKNOWN, Props, Value, apply_defaults, get_path

if TYPE_CHECKING:
    from collections.abc import Callable


def planned_outputs(token: str, rule: Rule, inputs: Props, config: ProviderConfig) -> Props:
    """The state as far as preview knows it: everything that only the cloud decides is UNKNOWN."""
    declared = schema.resource_type(token)
    outputs = copy.deepcopy(inputs)
    for name in (*declared.computed, *rule.server_defaults, *rule.computed):
        if "." not in name:
            outputs.setdefault(name, UNKNOWN)
    _fill_known(declared, rule, outputs, inputs, config)
    return outputs


def _fill_known(
    declared: schema.ResourceType, rule: Rule, outputs: Props, inputs: Props, config: ProviderConfig
) -> None:
    for name, default in (("project", config.project), ("region", config.region)):
        if name in declared.outputs and _is_open(outputs.get(name)) and default:
            outputs[name] = default
    if "pulumiLabels" in declared.outputs:
        outputs["pulumiLabels"] = outputs["effectiveLabels"] = merged_labels(inputs, config)
    for name, value in {"deletionPolicy": "DELETE", **rule.virtual}.items():
        if value is not None and name in declared.outputs and _is_open(outputs.get(name)):
            outputs[name] = value
    apply_defaults(outputs, copy.deepcopy(dict(rule.plan_defaults)))
    known = defaults_for(inputs, config)
    for name, template in rule.planned.items():
        text = fill(template, outputs, known)
        if text is not None:
            outputs[name] = text


def _is_open(value: Value) -> bool:
    return value is None or value is UNKNOWN


def synthesise(
    token: str,
    rule: Rule,
    inputs: Props,
    config: ProviderConfig,
    *,
    seed: str,
    now: str,
    object_id: str | None = None,
    previous: Props | None = None,
) -> tuple[str, Props]:
    """The id and the complete state of an object as the cloud would answer it.

    Args:
        token: the resource type.
        rule: its table entry.
        inputs: checked inputs, nothing unknown.
        config: the provider's configuration.
        seed: makes server-assigned values; different for each create.
        now: RFC 3339 time of the cloud's clock.
        object_id: the id of an object that exists already.
        previous: the state before an update; computed values that exist stay as they are.
    """
    declared = schema.resource_type(token)
    made = Synthesis(token=token, rule=rule, inputs=inputs, config=config, seed=seed, now=now)
    outputs = made.outputs = copy.deepcopy(inputs)
    keep = previous or {}
    apply_defaults(outputs, _server_values(rule, keep), make_parents=True)
    _fill_known(declared, rule, outputs, inputs, config)
    if object_id is not None:
        made.id = object_id
    elif rule.id_from is not None:
        made.id = made.text(rule.id_from) if isinstance(rule.id_from, str) else rule.id_from(made)
    else:
        made.id = derive_id(token, outputs, defaults_for(inputs, config)) or made.uuid()
    for name, source in rule.computed.items():
        if "." in name or name not in declared.inputs.properties or outputs.get(name) is None:
            value = None if name in rule.recomputed else keep.get(name)
            outputs[name] = value if value is not None else _computed(made, source)
    for name in declared.computed:
        if name not in outputs:
            outputs[name] = keep[name] if name in keep else _empty(declared.outputs[name])
    return made.id, outputs


def _server_values(rule: Rule, state: Props) -> Props:
    """What the cloud fills in: what it has filled in before, its defaults otherwise."""
    found: Props = {}
    for path, default in rule.server_defaults.items():
        value = get_path(state, path)
        found[path] = copy.deepcopy(default if value is None or value is UNKNOWN else value)
    return found


def planned_update(token: str, rule: Rule, inputs: Props, state: Props, config: ProviderConfig) -> Props:
    """The state that an update will bring, as far as preview knows it."""
    declared = schema.resource_type(token)
    outputs = copy.deepcopy(inputs)
    apply_defaults(outputs, _server_values(rule, state), make_parents=True)
    for name in declared.computed:
        if name not in inputs:
            outputs[name] = UNKNOWN if name in rule.recomputed else state.get(name)
    _fill_known(declared, rule, outputs, inputs, config)
    return outputs


def _computed(made: Synthesis, source: str | Callable[[Synthesis], Value]) -> Value:
    return made.text(source) if isinstance(source, str) else source(made)


def _empty(declared: schema.Annotation) -> Value:
    """What an API leaves out: the zero value of the type."""
    origin: schema.Annotation = typing.get_origin(declared)
    if origin in {list, AbstractSequence}:
        return []
    if origin in {dict, AbstractMapping}:
        return {}
    zero: dict[Any, Value] = {bool: False, int: 0, float: 0, str: ""}
    return zero.get(declared)


_PASSWORD_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"  # noqa: S105 - the random provider's own alphabet


def random_password(made: Synthesis) -> str:
    """A password of the wanted length and classes, by a hash stream: equal seeds give equal passwords."""
    inputs = made.inputs
    classes = {
        "Lower": string.ascii_lowercase if inputs.get("lower", True) else "",
        "Upper": string.ascii_uppercase if inputs.get("upper", True) else "",
        "Numeric": string.digits if inputs.get("numeric", inputs.get("number", True)) else "",
        "Special": (inputs.get("overrideSpecial") or _PASSWORD_SPECIAL) if inputs.get("special", True) else "",
    }
    alphabet = "".join(classes.values())
    stream = (made.digits(f"password/{index}") for index in range(10**6))
    picked = [
        letters[next(stream) % len(letters)]
        for name, letters in classes.items()
        for _ in range(int(inputs.get(f"min{name}") or 0))
        if letters
    ]
    picked += [alphabet[next(stream) % len(alphabet)] for _ in range(int(inputs["length"]) - len(picked))]
    picked.sort(key=lambda _letter: next(stream))
    return "".join(picked)


def random_bytes(made: Synthesis) -> bytes:
    length = int(made.inputs.get("byteLength") or made.inputs.get("length") or 0)
    stream = b"".join(
        hashlib.sha256(f"{made.seed}/bytes/{block}".encode()).digest() for block in range(length // 32 + 1)
    )
    return stream[:length]


def asset_bytes(source: Value) -> bytes:
    """The content behind a text or file asset."""
    from pathlib import Path  # noqa: PLC0415 - files are the rare case

    if isinstance(source, dict):
        if "text" in source:
            return str(source["text"]).encode()
        if "path" in source:
            return Path(str(source["path"])).read_bytes()
    return b""


def object_bytes(inputs: Props) -> bytes:
    """The content of a bucket object: `content` or `source`."""
    content = get_path(inputs, "content")
    return content.encode() if isinstance(content, str) else asset_bytes(inputs.get("source"))


def md5_base64(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def content_md5_base64(made: Synthesis) -> str:
    return md5_base64(object_bytes(made.inputs))


def content_md5_hex(made: Synthesis) -> str:
    return hashlib.md5(object_bytes(made.inputs), usedforsecurity=False).hexdigest()


def content_matches(md5: Value, state: Props) -> bool:
    """Whether the object in the bucket still has the content that the state declares."""
    return isinstance(md5, str) and md5 == md5_base64(object_bytes(state))
