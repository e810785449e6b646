"""The base of all views: camelCase in JSON, unknown fields are kept, null lists are written back as null."""

from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from flotilla.errors import ClusterError

# Numbers and booleans are strict: "3", 3.0 or 1 would be written back as another value.
Int = Annotated[int, Strict()]
Bool = Annotated[bool, Strict()]


class KnownValues:
    """The values that the published API defines for a field. Views accept others: a newer Karmada may have more."""

    def __init__(self, *values: str) -> None:
        """Store the values."""
        self.values = values


class Since:
    """The first version of Karmada whose API has a field. Fields without this mark exist since 1.10 or before."""

    def __init__(self, major: int, minor: int) -> None:
        """Store the version."""
        self.version = (major, minor)


class ApiModel(BaseModel):
    """A part of an object: camelCase in JSON. Unknown fields are kept."""

    model_config = ConfigDict(
        extra="allow", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    _nulls: tuple[str, ...] = PrivateAttr(default=())
    """Fields that were null in JSON although their type has no null (a Go server writes an empty list so)."""

    @model_validator(mode="wrap")
    @classmethod
    def _keep_nulls(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        nulls = tuple(key for key in _never_null(cls) if data.get(key, "") is None) if isinstance(data, dict) else ()
        if not nulls:
            return handler(data)
        model = handler({key: value for key, value in data.items() if key not in nulls})
        model._nulls = nulls  # noqa: SLF001 - the model is under construction
        return model

    @model_serializer(mode="wrap")
    def _write_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = handler(self)
        return body | {key: None for key in self._nulls if body.get(key) is None}

    def wire(self) -> dict[str, Any]:
        """Return the model in the API's form: all fields that are set, both known and unknown ones."""
        return self.model_dump(by_alias=True, exclude_unset=True)


@cache
def _never_null(model: type[ApiModel]) -> tuple[str, ...]:
    """Return the fields, by their JSON names, that have a default and don't allow null."""
    return tuple(
        str(field.alias or name)
        for name, field in model.model_fields.items()
        if not field.is_required() and field.annotation is not Any and NoneType not in get_args(field.annotation)
    )


class ObjectMeta(ApiModel):
    """The part of Kubernetes' ObjectMeta that Flotilla uses."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    generation: Int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    deletion_timestamp: str | None = None


class ApiObject(ApiModel):
    """A whole object of one of Karmada's kinds."""

    api_version_of: ClassVar[str]
    kind_of: ClassVar[str]

    metadata: ObjectMeta

    def manifest(self) -> dict[str, Any]:
        """Return the object in the API's form: all fields that are set, as they were read or changed."""
        return {"apiVersion": self.api_version_of, "kind": self.kind_of, **self.wire()}

    @classmethod
    def read(cls, obj: dict[str, Any]) -> Self:
        """Return the view of an object in the API's form.

        Raises:
            ClusterError: the object doesn't follow Karmada's published schema; the message names the field.
        """
        try:
            return cls.model_validate(obj, by_alias=True, by_name=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            metadata = obj.get("metadata") if isinstance(obj, dict) else None
            name = metadata.get("name", "") if isinstance(metadata, dict) else ""
            field = ".".join(str(step) for step in first["loc"]) or "the object"
            raise ClusterError(
                f"{cls.kind_of} {name}: {field} does not match Karmada's API: {first['msg']}",
                hint="is it an object of another API version, or not Karmada's answer at all?",
            ) from None


class Condition(ApiModel):
    """metav1.Condition."""

    type: str
    status: Annotated[str, KnownValues("True", "False", "Unknown")]
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    observed_generation: Int | None = None

    @property
    def true(self) -> bool:
        """Whether the condition is met."""
        return self.status == "True"

    @property
    def why(self) -> str:
        """The explanation of the status: the message, or the reason where there is no message."""
        return self.message or self.reason


class WithConditions(ApiObject):
    """An object whose status has conditions."""

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of a type; None where the object has no such condition, or no status yet."""
        found: list[Condition] = getattr(getattr(self, "status", None), "conditions", [])
        return next((condition for condition in found if condition.type == kind), None)

    def is_true(self, kind: str) -> bool:
        """Return whether the condition of a type exists and is True."""
        found = self.condition(kind)
        return found is not None and found.true


class LabelSelectorRequirement(ApiModel):
    """metav1.LabelSelectorRequirement."""

    key: str
    operator: str
    values: list[str] | None = None


class LabelSelector(ApiModel):
    """metav1.LabelSelector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[LabelSelectorRequirement] | None = None


class Toleration(ApiModel):
    """corev1.Toleration."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: Int | None = None
