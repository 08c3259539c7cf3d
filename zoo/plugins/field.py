"""`OfKinds`: annotation of a field that accepts any available class of a registry, selected by `kind`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Generic

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from zoo.errors import PluginError, UnknownNameError
from zoo.plugins.kinds import ClassT, Kinds, kind_of
from zoo.specs.validation import ByKind

ELSEWHERE = (
    " Other kinds come from installed packages, or from a program that registers them first."
)


class OfKinds(ByKind, Generic[ClassT]):
    """Validation and JSON schema of the field: a union of the available classes, tagged by kind.

    Args:
        kinds: the registry.
        check: raises ValueError for settings that do not fit the fields validated so far.
    """

    def __init__(
        self,
        kinds: Kinds[ClassT],
        check: Callable[[ClassT, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.kinds, self.check = kinds, check

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        choices = {kind: cls.__pydantic_core_schema__ for kind, cls in self.kinds.at_hand().items()}
        return handler(core_schema.tagged_union_schema(choices, discriminator="kind"))

    def models(self) -> list[type[BaseModel]]:
        return [*self.kinds.at_hand().values()]

    def _validated(self, value: Any, info: ValidationInfo) -> BaseModel:
        """Settings from their fields, or an instance."""
        if isinstance(value, self.kinds.base):
            cls, settings = self._known(kind_of(type(value)), value), value
            if cls is not type(value):
                raise ValueError(
                    f"{type(value).__name__} is no longer the class registered as "
                    f"{kind_of(type(value))!r}: create an instance of the current class"
                )
        elif not isinstance(value, dict):
            raise PydanticCustomError("model_attributes_type", "Input should be an object")
        elif "kind" not in value:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        else:
            cls = self._known(value["kind"], value)
            is_json = info.mode == "json"  # where lists are tuples
            settings = (
                cls.model_validate_json(json.dumps(value)) if is_json else cls.model_validate(value)
            )
        if self.check is not None:
            self.check(settings, info.data or {})
        return settings

    def _known(self, kind: Any, value: Any) -> type[ClassT]:
        try:
            return self.kinds.get(kind if isinstance(kind, str) else str(kind))
        except UnknownNameError:
            known = ", ".join(map(repr, self.kinds.names()))
            raise PydanticKnownError(
                "union_tag_invalid",
                {
                    "discriminator": "'kind'",
                    "tag": str(kind)[:60],
                    "expected_tags": known,
                    "hint": ELSEWHERE,
                },
            ) from None
        except PluginError as failure:
            raise ValueError(str(failure).rstrip(".")) from failure
