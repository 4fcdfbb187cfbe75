"""Static files under hashed names."""

from django.contrib.staticfiles.storage import ManifestFilesMixin
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ConsoleStaticFiles(CompressedManifestStaticFilesStorage):
    """Also points the imports in our own modules at the hashed names.

    Without it a module that is imported and named in a page would be loaded twice, under two
    addresses. Other packages' scripts are left alone: not all of them are modules.
    """

    patterns = (
        *ManifestFilesMixin.patterns,
        ("tapedeck/*.js", ManifestFilesMixin._js_module_import_aggregation_patterns[1]),  # type: ignore[attr-defined]
    )
