"""Names on the wire: camelCase outside, snake_case inside."""


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
