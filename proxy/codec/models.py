"""The kind of a pydantic model: metrics and turn parameters, which Pipecat writes so."""

from typing import Any, cast

from pydantic import BaseModel, ValidationError

from proxy.codec.form import Form
from proxy.codec.kinds import Json, Kind

_JSON = Json()


class OneModel(Kind):
    """A pydantic model out of a closed set of classes."""

    def __init__(self, *models: type[BaseModel]) -> None:
        """Allow instances of exactly these classes."""
        self.models = models
        self.label = " or ".join(model.__name__ for model in models)

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write the fields that are set."""
        if type(value) not in self.models:
            raise self.refuse(where)
        fields = {
            name: self._write_field(item, where, form)
            for name, item in cast(BaseModel, value).__dict__.items()
            if item is not None
        }
        return form.write_one_of(type(value), fields)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read and validate a model."""
        name, data = form.read_one_of(wire, where)
        model = next((model for model in self.models if form.name_of(model) == name), None)
        if model is None or type(data) is not dict:
            raise self.refuse(where)
        fields = {
            key: self._read_field(model, key, item, where, form) for key, item in data.items()
        }
        try:
            return model.model_validate(fields, strict=True)
        except ValidationError:
            raise self.refuse(where) from None

    def _write_field(self, value: Any, where: str, form: Form) -> Any:
        if isinstance(value, BaseModel):
            fields = _JSON.write(value.model_dump(exclude_none=True), where, form)
            return form.write_one_of(type(value), fields)
        return _JSON.write(value, where, form)

    def _read_field(
        self, model: type[BaseModel], key: Any, wire: Any, where: str, form: Form
    ) -> Any:
        field = model.model_fields.get(key)
        if field is None:
            raise self.refuse(where)
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            return OneModel(nested).read(wire, where, form)
        return _JSON.read(wire, where, form)
