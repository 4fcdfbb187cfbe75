"""Routes of extractions and their configurations, below /api/."""

from django.urls import re_path

from documents.api import configurations as conf
from documents.api import corrections, tables

_JOB = r"^jobs/(?P<job_id>[^/]+)"
_DOCUMENT = r"^documents/(?P<document_id>[^/]+)"
_ALL = r"^configurations"
_ONE = rf"{_ALL}/(?P<name>[a-z][a-z0-9-]*)"
_VERSION = rf"{_ONE}/versions/(?P<number>[^/]+)"

urlpatterns = [
    re_path(rf"{_JOB}/tables/?$", tables.JobTablesView.as_view(), name="api-job-tables"),
    re_path(
        rf"{_JOB}/tables/(?P<number>[^/]+)/?$", tables.JobTableView.as_view(), name="api-job-table"
    ),
    re_path(
        rf"{_JOB}/corrections/?$", corrections.CorrectionsView.as_view(), name="api-job-corrections"
    ),
    re_path(
        rf"{_JOB}/corrections/promote/?$", corrections.PromoteView.as_view(), name="api-job-promote"
    ),
    re_path(
        rf"{_JOB}/corrections/(?P<correction_id>[^/]+)/?$",
        corrections.CorrectionView.as_view(),
        name="api-job-correction",
    ),
    re_path(
        rf"{_DOCUMENT}/tables/?$", tables.DocumentTablesView.as_view(), name="api-document-tables"
    ),
    re_path(
        rf"{_DOCUMENT}/tables/(?P<number>[^/]+)/?$",
        tables.DocumentTableView.as_view(),
        name="api-document-table",
    ),
    re_path(rf"{_DOCUMENT}/extract/?$", tables.ExtractView.as_view(), name="api-document-extract"),
    re_path(rf"{_ALL}/?$", conf.ConfigurationsView.as_view(), name="api-configurations"),
    re_path(rf"{_ALL}/schema\.json/?$", conf.SchemaView.as_view(), name="api-configuration-schema"),
    re_path(rf"{_ALL}/plugins/?$", conf.PluginsView.as_view(), name="api-configuration-plugins"),
    re_path(rf"{_ALL}/import/?$", conf.ImportView.as_view(), name="api-configuration-import"),
    re_path(rf"{_ONE}/?$", conf.ConfigurationView.as_view(), name="api-configuration"),
    re_path(rf"{_ONE}/compare/?$", conf.CompareView.as_view(), name="api-configuration-compare"),
    re_path(rf"{_ONE}/versions/?$", conf.VersionsView.as_view(), name="api-configuration-versions"),
    re_path(rf"{_VERSION}/?$", conf.VersionView.as_view(), name="api-configuration-version"),
    re_path(rf"{_VERSION}/export/?$", conf.ExportView.as_view(), name="api-configuration-export"),
    *(
        re_path(
            rf"{_VERSION}/{verb}/?$",
            conf.VersionVerbView.as_view(verb=verb),
            name=f"api-configuration-{verb}",
        )
        for verb in ("activate", "archive", "clone", "draft")
    ),
]
