"""Hints by Redis, where one is configured: see `jobs.queue.wake`."""

import asyncio
import logging
import time
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings

from jobs.queue.wake import RETRY_S, Echo, HintNotSent

log = logging.getLogger(__name__)


def publish(channel: str) -> None:
    """Send a hint at once. :raises HintNotSent: Redis did not take it."""
    try:
        client(settings.REDIS_URL).publish(channel, b"")
    except redis.RedisError as error:
        raise HintNotSent(str(error)) from error


@cache
def client(url: str) -> redis.Redis:
    """This process's connection for sending."""
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


class Listener:
    """For one thread or process at a time."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._echo = Echo()
        self._pubsub: Any = None

    def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        try:
            if self._pubsub is None:
                listening: Any = redis.Redis.from_url(settings.REDIS_URL)
                self._pubsub = listening.pubsub(ignore_subscribe_messages=True)
                self._pubsub.subscribe(self._channel)
                return self._echo.joined()
            # Nothing is also the answer to what is no message, such as the word that one listens.
            while True:
                message = self._pubsub.get_message(timeout=self._echo.until(deadline))
                if self._echo.heard(message is not None):
                    return True
                if time.monotonic() >= deadline:
                    return False
        except redis.RedisError:
            log.warning("Lost Redis, which carries the hints on %s; polling.", self._channel)
            self.close()
            time.sleep(min(timeout_s, RETRY_S))
            return True

    def close(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None


class AsyncListener:
    """For an event loop."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._echo = Echo()
        self._client: Any = None  # redis-py's own annotations are incomplete
        self._pubsub: Any = None

    async def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        try:
            if self._pubsub is None:
                self._client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
                self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
                await self._pubsub.subscribe(self._channel)
                return self._echo.joined()
            while True:
                message = await self._pubsub.get_message(timeout=self._echo.until(deadline))
                if self._echo.heard(message is not None):
                    return True
                if time.monotonic() >= deadline:
                    return False
        except redis.RedisError:
            log.warning("Lost Redis, which carries the hints on %s; polling.", self._channel)
            await self.close()
            await asyncio.sleep(min(timeout_s, RETRY_S))
            return True

    async def close(self) -> None:
        if self._pubsub is not None:
            await self._pubsub.aclose()
            await self._client.aclose()
            self._pubsub = None
