"""The form of a column as JSON values, as a model file keeps it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from diabolo.data.frames.forms import BooleanForm, DateForm, Form, NumberForm
from diabolo.errors import OptionError

FORMS: Mapping[str, type[NumberForm | DateForm | BooleanForm]] = {
    "number": NumberForm,
    "date": DateForm,
    "boolean": BooleanForm,
}
Config = dict[str, Any]


def to_config(form: Form | None) -> Config | None:
    """Return a form as JSON values."""
    if form is None:
        return None
    name = next(name for name, each in FORMS.items() if each is type(form))
    usual = {each.name: each.default for each in fields(FORMS[name]) if each.metadata.get("optional")}
    values = {each.name: getattr(form, each.name) for each in fields(FORMS[name])}
    return {"form": name} | {key: value for key, value in values.items() if key not in usual or value != usual[key]}


def from_config(config: object) -> Form | None:
    """Return the form that `to_config` described; OptionError if a key, a type or a value is wrong."""
    if config is None:
        return None
    if not isinstance(config, dict) or config.get("form") not in FORMS:
        raise OptionError(f"a form must be one of {', '.join(FORMS)}, got {config!r:.60}.")
    chosen = FORMS[config["form"]]
    given = {name: value for name, value in config.items() if name != "form"}
    known = {each.name: each.type for each in fields(chosen)}
    optional = {each.name for each in fields(chosen) if each.metadata.get("optional")}
    if not set(known) - optional <= set(given) <= set(known) or any(
        type(value) is not known[name] for name, value in given.items()
    ):
        raise OptionError(f"a form of kind {config['form']!r} must have the fields {', '.join(known)}.")
    form = chosen(**given)
    form.check()
    return form
