"""Users and their roles, and who is locked out. Every change goes through `config.people`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from config import people
from config.models import WINDOW, LoginFailure, SocketTicket
from jobs import access, audit, console, roles
from jobs.access import ABOUT, NotAllowed, Role
from jobs.admin.accounts import ForAdmins
from jobs.admin.base import Empty
from jobs.services import InvalidFields

admin.site.unregister(User)
admin.site.unregister(Group)
# The queue library's own pages: its schedules run any function by name, past every audit and role.
for _model in apps.get_app_config("django_q").get_models():
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)

ROLE_CHOICES = [("", "No role – may log in, sees nothing")] + [
    (role.value, f"{role.value.capitalize()} – {ABOUT[role]}") for role in Role
]


def _held(user: User) -> Role | None:
    names = {group.name for group in user.groups.all()}
    if user.is_superuser:
        return Role.ADMIN
    return next((role for role in reversed(Role) if role in names), None)


class RoleField(forms.ChoiceField):
    """One role, or none, with what it may do."""

    def __init__(self) -> None:
        super().__init__(
            choices=ROLE_CHOICES,
            required=False,
            widget=UnfoldAdminSelectWidget,
            help_text="Takes effect with the person's next click.",
        )

    def clean(self, value: Any) -> Role | None:
        text = super().clean(value)
        return Role(text) if text else None


class NewUserForm(UserCreationForm):
    role = RoleField()


class UserForm(UserChangeForm):
    role = RoleField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].initial = _held(self.instance) or ""

    def clean(self) -> dict[str, Any] | None:
        """Refuse here, by field, what the verbs would refuse: the last admin, one's own account."""
        cleaned = super().clean() or {}
        user = User.objects.get(pk=self.instance.pk)
        if _held(user) is not Role.ADMIN or not user.is_active:
            return cleaned
        others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
        if others.exists():
            return cleaned
        if cleaned.get("role") is not Role.ADMIN:
            self.add_error("role", people.LastAdmin.__doc__ or "")
        if not cleaned.get("is_active"):
            self.add_error("is_active", people.LastAdmin.__doc__ or "")
        return cleaned


class RoleFilter(admin.SimpleListFilter):
    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((role.value, role.value.capitalize()) for role in Role), ("none", "No role")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        value = self.value()
        if value == "none":
            return queryset.exclude(groups__name__in=list(Role)).filter(is_superuser=False)
        return queryset.filter(groups__name=value) if value else queryset


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg,misc]
    """Accounts. One leaves by being deactivated: what it did stays, so it is never deleted."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "role", "email", "state", "seen")
    list_filter = (RoleFilter, "is_active")
    list_filter_sheet = False
    list_per_page = 50
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    actions = ("unlock_selected", "deactivate_selected")
    fieldsets = (
        (None, {"fields": ("username", "password", "role", "is_active")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets: Any = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "role")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        locks = LoginFailure.objects.locked(now=timezone.now()).filter(user=OuterRef("pk"))
        rows = cast("QuerySet[User]", super().get_queryset(request))
        return rows.annotate(locked_now=Exists(locks)).prefetch_related("groups")

    @admin.display(description="Role")
    def role(self, user: User) -> str:
        held = _held(user)
        return held.value.capitalize() if held else "No role"

    @admin.display(description="Last login", ordering="last_login")
    def seen(self, user: User) -> SafeString:
        return console.when(user.last_login) if user.last_login else SafeString("never")

    @admin.display(description="State", ordering="is_active")
    def state(self, user: User) -> SafeString:
        level, word = "ok", "Active"
        if not user.is_active:
            level, word = "idle", "Deactivated"
        elif getattr(user, "locked_now", False):
            level, word = "warn", "Locked out for now"
        return format_html('<span class="td-level" data-level="{}">{}</span>', level, word)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        by = cast(User, request.user)
        if not change:
            super().save_model(request, obj, form, change)
            audit.record(
                action="user.create", by=by, target=obj, data={"role": form.cleaned_data["role"]}
            )
            roles.put_in(user=obj, role=form.cleaned_data["role"])
            return
        wanted = form.cleaned_data
        before = User.objects.get(pk=obj.pk)
        names = people.ADMIN_FIELDS
        profile = {name: wanted[name] for name in names if getattr(before, name) != wanted[name]}
        now_active: bool | None = wanted["is_active"]
        people.change(
            user=before,
            by=by,
            profile=profile,
            role=wanted["role"] if wanted["role"] != _held(before) else people.AS_IT_IS,
            is_active=now_active if now_active != before.is_active else None,
        )

    def changeform_view(  # type: ignore[override]  # a redirect is no template either in Django
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What a verb refuses is said on the page, and nothing of the form was saved."""
        try:
            page: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
            return page
        except (people.LastAdmin, people.YourOwnAccount) as refused:
            messages.error(request, str(refused))
        except InvalidFields as refused:
            for said in refused.errors.values():
                messages.error(request, " ".join(said))
        return HttpResponseRedirect(request.get_full_path())

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """As Django's; every token and ticket of the account ends with its old password."""
        user = self.get_object(request, id)
        before = user.password if user else ""
        response = super().user_change_password(request, id, form_url)
        now = User.objects.filter(pk=user.pk).first() if user else None
        if now is not None and now.password != before:
            people.password_was_changed(user=now, by=cast(User, request.user))
        return response

    @admin.action(description="Forget failed logins", permissions=["change"])
    def unlock_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast(User, request.user)
        freed = sum(bool(people.unlock(user=user, by=by)) for user in queryset)
        self.message_user(request, f"{freed} accounts had failed logins; they may try again.")

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by, done = cast(User, request.user), 0
        for user in queryset:
            try:
                people.deactivate(user=user, by=by)
                done += 1
            except (people.LastAdmin, people.YourOwnAccount, NotAllowed) as refused:
                self.message_user(request, f"{user}: {refused}", messages.ERROR)
        if done:
            self.message_user(request, f"{done} deactivated; their sessions and tokens ended.")


@admin.register(Group)
class RoleAdmin(ForAdmins):
    """The roles and what each may do. They are fixed; people are put into them on their own page."""

    list_display = ("name", "may", "people")
    fields = ("name", "may", "permissions")

    @admin.display(description="May")
    def may(self, group: Group) -> str:
        return ABOUT[Role(group.name)] if group.name in list(Role) else "Nothing: this is no role."

    @admin.display(description="People")
    def people(self, group: Group) -> int:
        return User.objects.filter(groups=group, is_active=True).count()


@admin.register(SocketTicket)
class SocketTicketAdmin(ForAdmins):
    """Tickets that wait to be used; each is good for half a minute."""

    empty = Empty(
        icon="confirmation_number",
        title="No ticket waits to be used",
        text="A program takes a ticket to open a socket; it is good once, for half a minute.",
    )

    list_display = ("user", "created_at", "expires_at")
    list_select_related = ("user",)
    exclude = ("digest", "standing")


@admin.register(LoginFailure)
class LoginFailureAdmin(ForAdmins):
    """Failed logins of the last minutes. Choose some and unlock them at once."""

    empty = Empty(
        icon="lock_open",
        title="Nobody is locked out",
        text="After some failed logins an account, or an address, waits a while. Whoever waits is "
        "listed here and can be let in at once.",
    )

    list_display = ("whose", "address", "count", "since", "until", "locked")
    list_select_related = ("user",)
    list_per_page = 50
    ordering = ("-since",)
    actions = ("unlock_selected",)

    @admin.display(description="Account")
    def whose(self, row: LoginFailure) -> str:
        if row.user:
            return row.user.get_username()
        return "all from this address" if row.key.startswith("address:") else "no such account"

    @admin.display(description="Counts until")
    def until(self, row: LoginFailure) -> datetime:
        return row.since + WINDOW

    @admin.display(description="Effect")
    def locked(self, row: LoginFailure) -> str:
        return "Locked" if row.locks(now=timezone.now()) else "–"

    @admin.action(description="Unlock", permissions=["view"])
    def unlock_selected(self, request: HttpRequest, queryset: QuerySet[LoginFailure]) -> None:
        if not access.is_admin(request.user):
            raise NotAllowed("Only an admin may unlock.")
        by = cast(User, request.user)
        rows = list(queryset)
        for row in rows:
            people.forget_failures(row=row, by=by)
        self.message_user(request, f"{len(rows)} unlocked.")
