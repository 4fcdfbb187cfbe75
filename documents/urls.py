"""The documents API, below /api/. Each works with and without a trailing slash."""

from django.urls import re_path

from documents.api import preview, uploads, views

# A malformed id reaches its view, which answers that there is no such document.
_DOCUMENT = r"^documents/(?P<document_id>[^/]+)"
_UUID = r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"

urlpatterns = [
    re_path(r"^documents/?$", views.DocumentsView.as_view(), name="api-documents"),
    re_path(rf"{_DOCUMENT}/?$", views.OneDocumentView.as_view(), name="api-document"),
    re_path(
        rf"{_DOCUMENT}/download/?$", views.DownloadView.as_view(), name="api-document-download"
    ),
    re_path(
        rf"{_DOCUMENT}/versions/?$", views.VersionsView.as_view(), name="api-document-versions"
    ),
    re_path(rf"{_DOCUMENT}/audit/?$", views.AuditView.as_view(), name="api-document-audit"),
    re_path(rf"{_DOCUMENT}/restore/?$", views.RestoreView.as_view(), name="api-document-restore"),
    re_path(rf"{_DOCUMENT}/read/?$", views.ReadView.as_view(), name="api-document-read"),
    re_path(
        rf"{_DOCUMENT}/comments/?$", views.CommentsView.as_view(), name="api-document-comments"
    ),
    re_path(
        rf"{_DOCUMENT}/comments/(?P<comment_id>{_UUID})/?$",
        views.CommentView.as_view(),
        name="api-document-comment",
    ),
    re_path(rf"{_DOCUMENT}/preview/?$", preview.PreviewView.as_view(), name="api-document-preview"),
    re_path(
        rf"{_DOCUMENT}/preview/text/?$", preview.PageTextView.as_view(), name="api-document-text"
    ),
    re_path(
        rf"{_DOCUMENT}/preview/pages/(?P<number>\d+)/?$",
        preview.PictureView.as_view(),
        name="api-document-page",
    ),
    re_path(
        rf"{_DOCUMENT}/preview/pages/(?P<number>\d+)/thumb/?$",
        preview.ThumbView.as_view(),
        name="api-document-thumb",
    ),
    re_path(
        rf"{_DOCUMENT}/structure/?$", preview.StructureView.as_view(), name="api-document-structure"
    ),
    re_path(r"^uploads/?$", uploads.UploadsView.as_view(), name="api-uploads"),
    re_path(r"^uploads/(?P<upload_id>[^/]+)/?$", uploads.UploadView.as_view(), name="api-upload"),
]
