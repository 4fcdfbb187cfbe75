"""Static files under hashed names."""

from typing import Any

from django.contrib.staticfiles.storage import ManifestFilesMixin
from whitenoise.compress import Compressor
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

    def create_compressor(self, **options: Any) -> Compressor:
        # By gzip alone: brotli, where something else brought it, takes minutes of the first start.
        return Compressor(use_brotli=False, **options)  # type: ignore[no-untyped-call]
