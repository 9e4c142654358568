"""Configuration of a job: environment variables, named like the fields of a model in capitals."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.sql.errors import JobError

_Model = TypeVar("_Model", bound="Variables")


class Variables(BaseModel):
    """Base of everything that is read from the environment; an empty variable counts as unset."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def read(model: type[_Model], variables: Mapping[str, str]) -> _Model:
    """Read a model's variables.

    Raises:
        JobError: a variable is missing or wrong; it names them all.
    """
    given = {name: variables[name.upper()] for name in model.model_fields if variables.get(name.upper())}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part).upper() for part in item['loc']) or 'environment'}: {item['msg']}"
            for item in error.errors()
        )
        raise JobError(f"environment variables: {wrong}") from None
