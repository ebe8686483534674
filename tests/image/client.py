"""Sends one HTTP request from within a container's network. Knows the standard library and httpx, which the image has.

Runs in a second container, by `python -c`: METHOD URL HEADERS PATIENCE, with the headers as a JSON object and the body
on standard input. Writes status and headers as one line of JSON, then the answer's body. For PATIENCE seconds it asks
again while nobody listens or the answer is 503.
"""

import json
import sys
import time

import httpx


def main() -> None:
    """Does what the module says; a connection that fails is a traceback and exit status 1."""
    method, url, headers, patience = sys.argv[1:]
    body = sys.stdin.buffer.read()
    give_up = time.monotonic() + float(patience)
    with httpx.Client(timeout=120, headers=json.loads(headers)) as http:
        while True:
            is_last = time.monotonic() >= give_up
            try:
                response = http.request(method, url, content=body)
                if is_last or response.status_code != 503:
                    break
            except httpx.ConnectError:
                if is_last:
                    raise
            time.sleep(0.02)
    head = json.dumps({"status": response.status_code, "headers": dict(response.headers)})
    sys.stdout.buffer.write(head.encode() + b"\n" + response.content)


if __name__ == "__main__":
    main()
