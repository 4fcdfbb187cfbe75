"""Websocket frames made once for all who get them.

`tapedeck.frames` is an extension of ASGI between our consumers and `config.sockets`: where the scope
lists it, the message `{"type": "tapedeck.frames", "bytes": …}` writes finished frames as they are.
"""

EXTENSION = "tapedeck.frames"


def text_frame(text: str) -> bytes:
    """`text` (ASCII or not) as one unmasked, final text frame: RFC 6455, section 5.2."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
