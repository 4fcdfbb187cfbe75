"""The "New recording" form: its option fields are made from the kind's own declaration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from rest_framework import serializers
from unfold import widgets

from jobs import registry
from jobs.casing import camel
from jobs.registry import InvalidOptions
from jobs.secrets import is_sealed
from recorder import services
from recorder.models import RecordingSession

NESTED = "__"
# Which options stand together, in this order; what no group names comes last, under "More".
GROUPS: dict[str, tuple[str, ...]] = {
    "Browser": ("browser", "device", "viewport", "user_agent", "slow_mo", "headed"),
    "Person and place": (
        "auth_state",
        "locale",
        "timezone",
        "color_scheme",
        "geolocation",
        "permissions",
    ),
    "Network": ("http_credentials", "proxy", "extra_headers", "ignore_https_errors", "bypass_csp"),
    "Evidence": (
        "trace",
        "har",
        "video",
        "screenshots",
        "dom_snapshots",
        "console_log",
        "storage_state",
        "verify",
    ),
    "Limits": ("timeout_s", "idle_timeout_s"),
}
LABELS = {
    "auth_state": "Start signed in as",
    "console_log": "Console log",
    "slow_mo": "Slow motion (ms)",
    "timeout_s": "Longest recording (s)",
    "idle_timeout_s": "Longest pause (s)",
}
ACRONYMS = {
    "http": "HTTP",
    "https": "HTTPS",
    "har": "HAR",
    "dom": "DOM",
    "csp": "CSP",
    "url": "URL",
}
EXAMPLES = {
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "extra_headers": "X-Environment: staging",
    f"viewport{NESTED}width": "1280",
    f"viewport{NESTED}height": "720",
    f"proxy{NESTED}server": "http://proxy.example:3128",
    f"proxy{NESTED}bypass": "localhost, *.internal.example",
}


def _label(name: str) -> str:
    words = name.split(NESTED)[-1].split("_")
    unit = {"s": " (s)", "ms": " (ms)"}.get(words[-1], "")
    words = words[:-1] if unit else words
    shown = " ".join(ACRONYMS.get(word, word) for word in words)
    return LABELS.get(name) or shown[:1].upper() + shown[1:] + unit


class LinesField(forms.CharField):
    """A dictionary of strings, one `Name: value` a line."""

    def to_python(self, value: Any) -> Any:
        pairs: dict[str, str] = {}
        for number, line in enumerate((super().to_python(value) or "").splitlines(), 1):
            if not line.strip():
                continue
            name, colon, rest = line.partition(":")
            if not colon or not name.strip():
                raise forms.ValidationError(f'Line {number} is not of the form "Name: value".')
            pairs[name.strip()] = rest.strip()
        return pairs


class WordsField(forms.CharField):
    """A list of strings, separated by commas."""

    def to_python(self, value: Any) -> Any:
        return [
            word.strip() for word in (super().to_python(value) or "").split(",") if word.strip()
        ]


class JsonTextField(forms.CharField):
    """Any JSON."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from error


def _form_field(name: str, field: serializers.Field[Any, Any, Any, Any]) -> forms.Field:
    """A form field that accepts what the serializer's field accepts, as a person types it."""
    shared: dict[str, Any] = {
        "label": _label(name),
        "help_text": str(field.help_text or ""),
        "required": False,
    }
    default = field.default if field.default is not serializers.empty else None
    if callable(default) or NESTED in name:
        # A part of something optional: filled in, it would ask for the other parts too.
        default = None
    placeholder = {"placeholder": EXAMPLES[name]} if name in EXAMPLES else {}
    if isinstance(field, serializers.BooleanField):
        return forms.BooleanField(
            **shared, initial=bool(default), widget=widgets.UnfoldBooleanSwitchWidget
        )
    if isinstance(field, serializers.MultipleChoiceField):
        return forms.MultipleChoiceField(
            **shared,
            choices=list(field.choices.items()),
            widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
        )
    if isinstance(field, serializers.ChoiceField):
        choices = [(str(value), str(text)) for value, text in field.choices.items()]
        if default is None and not any(value == "" for value, _ in choices):
            choices.insert(0, ("", "Default"))
        return forms.ChoiceField(
            **shared, choices=choices, initial=default, widget=widgets.UnfoldAdminSelectWidget
        )
    if isinstance(field, serializers.IntegerField):
        return forms.IntegerField(
            **shared,
            initial=default,
            min_value=field.min_value,
            max_value=field.max_value,
            widget=widgets.UnfoldAdminIntegerFieldWidget(attrs=placeholder),
        )
    if isinstance(field, serializers.FloatField):
        return forms.FloatField(
            **shared,
            initial=default,
            min_value=field.min_value,
            max_value=field.max_value,
            widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any", **placeholder}),
        )
    if isinstance(field, serializers.ListField):
        allowed = getattr(field.child, "choices", None)
        if allowed:
            return forms.MultipleChoiceField(
                **shared,
                choices=[(str(value), str(text)) for value, text in allowed.items()],
                initial=default,
                widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
            )
        return WordsField(
            **shared,
            initial=", ".join(default or ()),
            widget=widgets.UnfoldAdminTextInputWidget(attrs=placeholder),
        )
    if isinstance(field, serializers.DictField):
        return LinesField(
            **shared, widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3, **placeholder})
        )
    if isinstance(field, serializers.JSONField):
        return JsonTextField(
            **shared, widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4, **placeholder})
        )
    if field.write_only or name.endswith("password"):
        return forms.CharField(
            **shared,
            strip=False,
            widget=widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        )
    return forms.CharField(
        **shared,
        initial=default,
        max_length=getattr(field, "max_length", None),
        widget=widgets.UnfoldAdminTextInputWidget(attrs=placeholder),
    )


def _auth_states(user: Any, field: serializers.Field[Any, Any, Any, Any]) -> forms.Field:
    """The newest recordings of this user that kept their cookies and storage."""
    kept = (
        # Their own: nobody starts signed in as somebody else.
        RecordingSession.objects.filter(owner=user)
        .filter(job__artifacts__path="storage_state.json", job__artifacts__visible=True)
        .order_by("-id")[:50]
    )
    choices = [(str(session.pk), f"{session.flow_name} · {session.url}"[:100]) for session in kept]
    return forms.ChoiceField(
        label=_label("auth_state"),
        help_text="Cookies and storage as an earlier recording left them.",
        required=False,
        choices=[("", "Nobody: a fresh browser"), *choices],
        widget=widgets.UnfoldAdminSelectWidget,
    )


def option_fields() -> Iterator[tuple[str, serializers.Field[Any, Any, Any, Any]]]:
    """Every option of a recording, one field of an inner serializer as `outer__inner`."""
    for name, field in registry.get(services.RECORD).options().fields.items():
        if isinstance(field, serializers.Serializer):
            for inner, inner_field in field.fields.items():
                yield f"{name}{NESTED}{inner}", inner_field
        else:
            yield name, field


def again(session: RecordingSession) -> dict[str, Any]:
    """What the form begins with to record `session` once more; secrets are to be entered anew."""
    initial: dict[str, Any] = {"url": session.url, "flow_name": session.flow_name}
    stored = session.job.options
    for name, field in option_fields():
        outer, _, inner = name.partition(NESTED)
        value = stored.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, dict) and not is_sealed(value) else None
        if value is not None and not _has_secret(value):
            initial[f"option_{name}"] = _typed(value, field)
    return initial


def _has_secret(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return is_sealed(value) or any(map(_has_secret, inner))


def _typed(value: Any, field: serializers.Field[Any, Any, Any, Any]) -> Any:
    """`value` as a person would have typed it into the field that `_form_field` makes."""
    if isinstance(field, serializers.DictField) and isinstance(value, dict):
        return "\n".join(f"{name}: {text}" for name, text in value.items())
    if isinstance(field, serializers.JSONField):
        return json.dumps(value)
    if isinstance(value, list) and not getattr(getattr(field, "child", None), "choices", None):
        return ", ".join(map(str, value))
    return value


class NewRecordingForm(forms.Form):
    """URL, flow name and every option; `start` makes the recording or fills in the errors."""

    url = forms.CharField(
        label="Address",
        help_text="Where the recording starts. https:// is assumed when no scheme is given.",
        max_length=RecordingSession._meta.get_field("url").max_length,
        widget=widgets.UnfoldAdminTextInputWidget(
            attrs={
                "placeholder": "https://shop.example/login",
                "inputmode": "url",
                "autofocus": True,
                "autocomplete": "url",
            }
        ),
    )
    flow_name = forms.CharField(
        label="Flow name",
        help_text="What the test will be called, for instance: Log in and change the address.",
        max_length=RecordingSession._meta.get_field("flow_name").max_length,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"placeholder": "Log in"}),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.declared = dict(option_fields())
        self.outer_help = {
            name: field.help_text or ""
            for name, field in registry.get(services.RECORD).options().fields.items()
        }
        for name, field in self.declared.items():
            self.fields[self._name(name)] = (
                _auth_states(user, field) if name == "auth_state" else _form_field(name, field)
            )

    @staticmethod
    def _name(option: str) -> str:
        return f"option_{option}"

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The option fields by group; a group with errors is open."""
        left = list(self.declared)
        found: list[tuple[str, list[str]]] = []
        for title, options in GROUPS.items():
            names = [name for option in options for name in left if name.split(NESTED)[0] == option]
            left = [name for name in left if name not in names]
            if names:
                found.append((title, names))
        if left:
            found.append(("More", left))
        groups = []
        for title, names in found:
            rows: list[dict[str, Any]] = []
            for name in names:
                outer = name.split(NESTED)[0] if NESTED in name else ""
                if not outer or not rows or rows[-1]["outer"] != outer:
                    rows.append(
                        {
                            "outer": outer,
                            "title": _label(outer),
                            "help": str(self.outer_help.get(outer, "")),
                            "fields": [],
                        }
                    )
                rows[-1]["fields"].append(self[self._name(name)])
            errors = any(field.errors for row in rows for field in row["fields"])
            groups.append({"title": title, "rows": rows, "open": errors or title == "Browser"})
        return groups

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"]).strip()
        return (
            url
            if ":" in url.split("/")[0].split("?")[0] and not _is_host_port(url)
            else f"{_scheme(url)}://{url}"
        )

    def options(self) -> dict[str, Any]:
        """What was filled in, as the API takes it; an empty field is "not given"."""
        given: dict[str, Any] = {}
        for name, field in self.declared.items():
            value = self.cleaned_data.get(self._name(name))
            if not isinstance(field, serializers.BooleanField) and value in (None, "", [], {}):
                continue
            outer, _, inner = name.partition(NESTED)
            if inner:
                given.setdefault(outer, {})[inner] = value
            else:
                given[outer] = value
        return given

    def start(self, *, by: User) -> RecordingSession | None:
        """The new recording; None when something does not fit, then the errors are in the form."""
        if not self.is_valid():
            return None
        try:
            return services.start_session(
                url=self.cleaned_data["url"],
                flow_name=self.cleaned_data["flow_name"],
                options=self.options(),
                by=by,
            )
        except services.UrlRefused as refused:
            self.add_error("url", forms.ValidationError(refused.message, code=refused.code))
        except InvalidOptions as invalid:
            errors = dict(invalid.errors)
            # A refused address is told of together with them.
            if (refusal := errors.pop("url", None)) is not None:
                self.add_error("url", refusal)
            self._add_option_errors(errors)
        return None

    def _add_option_errors(self, errors: Mapping[str, Any]) -> None:
        names = {camel(name): name for name in self.declared} | {
            name: name for name in self.declared
        }
        outer_names = {
            camel(name.split(NESTED)[0]): name.split(NESTED)[0] for name in self.declared
        }
        for spelled, messages in errors.items():
            outer = outer_names.get(spelled, spelled)
            if spelled in names:
                # A list's own messages are keyed by position.
                self.add_error(self._name(names[spelled]), _flat(messages))
                continue
            inner = messages if isinstance(messages, Mapping) else {"": messages}
            own = [name for name in self.declared if name.split(NESTED)[0] == outer]
            for part, text in inner.items():
                field = f"{outer}{NESTED}{part}"
                target = field if field in self.declared else (own[0] if own else None)
                self.add_error(self._name(target) if target else None, _flat(text))


def _flat(messages: Any) -> list[str]:
    if isinstance(messages, Mapping):
        return [text for inner in messages.values() for text in _flat(inner)]
    if isinstance(messages, list | tuple):
        return [text for inner in messages for text in _flat(inner)]
    return [str(messages)]


def _is_host_port(url: str) -> bool:
    """`localhost:3000/x` is a host with its port, `mailto:x` and `file:` are schemes."""
    return url.split("/")[0].split("?")[0].rpartition(":")[2].isdigit()


def _scheme(url: str) -> str:
    host = url.split("/")[0].rpartition(":")[0] or url.split("/")[0]
    return "http" if host in {"localhost", "127.0.0.1", "[::1]"} else "https"
