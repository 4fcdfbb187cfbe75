"""The accounts' routes below /api/. Each works with and without a trailing slash."""

from django.urls import re_path

from config.api import admin, auth, user

urlpatterns = [
    re_path(r"^auth/register/?$", auth.RegisterView.as_view(), name="api-register"),
    re_path(r"^auth/login/?$", auth.LoginView.as_view(), name="api-login"),
    re_path(r"^auth/refresh/?$", auth.RefreshView.as_view(), name="api-refresh"),
    re_path(r"^auth/logout/?$", auth.LogoutView.as_view(), name="api-logout"),
    re_path(r"^auth/me/?$", auth.MeView.as_view(), name="api-me"),
    re_path(r"^auth/ticket/?$", auth.TicketView.as_view(), name="api-ticket"),
    re_path(r"^user/profile/?$", user.ProfileView.as_view(), name="api-user-profile"),
    re_path(r"^user/password/?$", user.PasswordView.as_view(), name="api-user-password"),
    re_path(r"^user/settings/?$", user.SettingsView.as_view(), name="api-user-settings"),
    re_path(r"^user/jobs/?$", user.OwnJobsView.as_view(), name="api-user-jobs"),
    re_path(r"^user/files/?$", user.OwnFilesView.as_view(), name="api-user-files"),
    re_path(r"^admin/users/?$", admin.UsersView.as_view(), name="api-admin-users"),
    re_path(r"^admin/users/(?P<user_id>[^/]+)/?$", admin.UserView.as_view(), name="api-admin-user"),
    re_path(
        r"^admin/users/(?P<user_id>[^/]+)/unlock/?$",
        admin.UnlockView.as_view(),
        name="api-admin-user-unlock",
    ),
    re_path(r"^admin/jobs/?$", admin.AllJobsView.as_view(), name="api-admin-jobs"),
    re_path(r"^admin/stats/?$", admin.StatsView.as_view(), name="api-admin-stats"),
    re_path(r"^admin/audit/?$", admin.AuditView.as_view(), name="api-admin-audit"),
    re_path(
        r"^admin/audit/export/?$", admin.AuditExportView.as_view(), name="api-admin-audit-export"
    ),
]
