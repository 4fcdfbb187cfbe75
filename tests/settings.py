"""The settings of worker processes that tests start: the real ones, and the test-only kinds."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.kinds.apps.KindsConfig"]
