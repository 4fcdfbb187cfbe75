"""The real settings, with kinds that show what the console can show."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench.demo.DemoConfig"]
