"""`python -m tests.sites [port] [other port]`: serve the sites until interrupted."""

import sys
import threading

from tests.sites.server import Sites


def main() -> None:
    port, other_port = (int(given) for given in (*sys.argv[1:], "8100", "8101")[:2])
    with Sites(port=port, other_port=other_port) as sites:
        print(f"Pages: {sites.url}  Other origin: {sites.other_url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
