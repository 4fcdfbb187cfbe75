"""Channels group messages as its documentation has them: one group, one consumer a client.

`bench.peers.groups:application` is what Daphne serves; run as a program it publishes to the group.
BENCH_REDIS names the server, BENCH_LAYER the layer (`core` or `pubsub`).
"""

import asyncio
import os
import sys
from typing import Any

from django.conf import settings

if not settings.configured:
    settings.configure(
        CHANNEL_LAYERS={
            "default": {
                "BACKEND": {
                    "core": "channels_redis.core.RedisChannelLayer",
                    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
                }[os.environ.get("BENCH_LAYER", "core")],
                "CONFIG": {"hosts": [os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/0")]},
            }
        },
        INSTALLED_APPS=["channels"],
        USE_TZ=True,
    )

import django

django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from redis.exceptions import RedisError  # noqa: E402

GROUP = "events"


class Events(AsyncWebsocketConsumer):
    groups = [GROUP]

    async def event_sent(self, message: dict[str, Any]) -> None:
        await self.send(text_data=message["text"])


application = ProtocolTypeRouter({"websocket": Events.as_asgi()})


def main() -> None:
    """Publish as `bench.event_source` does, on one loop that lasts."""
    from bench.event_source import Pace, parse

    options = parse(sys.argv[1:])

    async def publish() -> None:
        layer = get_channel_layer()
        assert layer is not None
        print("began", flush=True)
        pace = Pace(rate=options.rate, seconds=options.seconds)
        seq = 0
        while pace.goes_on():
            seq += 1
            try:
                await layer.group_send(GROUP, {"type": "event.sent", "text": pace.text(seq)})
            except (OSError, RedisError):
                # Redis is away: what was to be sent is lost, as the layer has no memory.
                await asyncio.sleep(0.05)
            await asyncio.sleep(pace.pause_s())
        print(seq, flush=True)

    asyncio.run(publish())


if __name__ == "__main__":
    main()
