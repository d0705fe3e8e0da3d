#!/usr/bin/python3
"""A page that counts its visits: in the cache, and in the database for good."""
import http.server
import json
import socket

import psycopg2
import redis

with open("/run/secrets/password", encoding="utf-8") as secret:
    PASSWORD = secret.read().strip()
CACHE = redis.Redis(host="cache")


def rows(visit):
    """Notes a visit and says how many there were; without one, that the database answers."""
    with psycopg2.connect(host="database", user="shop", dbname="postgres", password=PASSWORD) as database:
        with database.cursor() as cursor:
            if visit:
                cursor.execute("INSERT INTO visits VALUES (%s)", (visit,))
            cursor.execute("SELECT count(*) FROM visits")
            return cursor.fetchone()[0]


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        host = socket.gethostname()
        if self.path == "/health":
            document = {"rows": rows(None)}
        elif self.path == "/visit":
            document = {"host": host, "rows": rows(host), "hits": CACHE.incr("hits")}
        else:
            document = {"host": host, "hits": CACHE.incr("hits")}
        text = (json.dumps(document) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
