"""A thin REST server on Qdrant's engine (qdrant-edge-py), for tests without a Qdrant server. See README.md.

Speaks the paths and fields that @versamammo/index uses, and refuses every other.
Prints the port it listens on. Usage: server.py FOLDER
"""

import json
import shutil
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import qdrant_edge as edge


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def take(value, required, optional=()):
    """The fields of a JSON object; anything missing or unknown is refused."""
    if not isinstance(value, dict):
        raise Refused(400, f"expected an object, got {value!r}")
    unknown = set(value) - set(required) - set(optional)
    missing = set(required) - set(value)
    if unknown or missing:
        raise Refused(400, f"unknown fields {sorted(unknown)}, missing fields {sorted(missing)}")
    return value


def check_indexed(value, indexes):
    """Strict mode: a key needs an index that serves its condition (lib/collection/src/problems/unindexed_field.rs)."""
    for conditions in value.values():
        for one in conditions:
            if "is_empty" in one:
                key, served = one["is_empty"]["key"], {"keyword", "integer", "float"}
            elif "key" in one:
                key, served = one["key"], {"integer", "float"} if "range" in one else {"keyword"}
            elif "has_id" in one:
                continue
            else:
                check_indexed(one, indexes)
                continue
            if indexes.get(key) not in served:
                raise Refused(400, f"Index required but not found for {key!r} of one of {sorted(served)}")


def condition_of(value):
    if "has_id" in value:
        return edge.HasIdCondition(set(take(value, ["has_id"])["has_id"]))
    if "is_empty" in value:
        return edge.IsEmptyCondition(take(take(value, ["is_empty"])["is_empty"], ["key"])["key"])
    if "key" in value:
        take(value, ["key"], ["match", "range"])
        match, bounds = value.get("match"), value.get("range")
        if (match is None) == (bounds is None):
            raise Refused(400, "a condition has either match or range")
        if bounds is not None:
            take(bounds, [], ["gte", "gt", "lte", "lt"])
            return edge.FieldCondition(value["key"], range=edge.RangeFloat(**bounds))
        take(match, [], ["value", "any"])
        if "any" in match:
            return edge.FieldCondition(value["key"], match=edge.MatchAny(match["any"]))
        return edge.FieldCondition(value["key"], match=edge.MatchValue(match["value"]))
    return filter_of(value)


def filter_of(value):
    if value is None:
        return None
    take(value, [], ["must", "should", "must_not"])
    return edge.Filter(**{name: [condition_of(one) for one in conditions] for name, conditions in value.items()})


def params_of(value):
    if value is None:
        return None
    take(value, [], ["exact", "hnsw_ef", "quantization"])
    quantization = value.get("quantization")
    if quantization is not None:
        quantization = edge.QuantizationSearchParams(**take(quantization, [], ["rescore", "oversampling"]))
    return edge.SearchParams(value.get("hnsw_ef"), value.get("exact", False), quantization)


def record_of(point):
    record = {"id": str(point.id), "payload": point.payload}
    if point.vector is not None:
        record["vector"] = point.vector
    return record


INDEXES = {
    "keyword": lambda given: edge.KeywordIndexParams(is_tenant=take(given, ["type"], ["is_tenant"]).get("is_tenant")),
    "integer": lambda given: edge.PayloadSchemaType.Integer,
    "float": lambda given: edge.PayloadSchemaType.Float,
}


class Collection:
    def __init__(self, folder, config):
        replication = ["shard_number", "replication_factor", "write_consistency_factor"]
        take(config, ["vectors"], [*replication, "quantization_config", "strict_mode_config"])
        strict = take(
            config.get("strict_mode_config") or {},
            [],
            ["enabled", "unindexed_filtering_retrieve", "unindexed_filtering_update"],
        )
        self.strict = {
            name: strict.get("enabled") is True and strict.get(f"unindexed_filtering_{name}") is False
            for name in ("retrieve", "update")
        }
        self.indexes = {}
        self.vectors = take(config["vectors"], ["size", "distance"], ["on_disk"])
        quantization = config.get("quantization_config")
        if quantization is not None:
            scalar = take(take(quantization, ["scalar"])["scalar"], ["type"], ["quantile", "always_ram"])
            if scalar["type"] != "int8":
                raise Refused(400, "scalar quantisation is int8")
            quantization = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, scalar.get("quantile"), scalar.get("always_ram"))
        self.folder = folder
        folder.mkdir(parents=True)
        params = edge.EdgeVectorParams(self.vectors["size"], getattr(edge.Distance, self.vectors["distance"]))
        self.shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=params, quantization_config=quantization, wal_enabled=False))

    def drop(self):
        self.shard.close()
        shutil.rmtree(self.folder)

    def info(self):
        info = self.shard.info()
        return {
            "status": "green",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "config": {"params": {"vectors": self.vectors}},
            "payload_schema": {name: {"points": one.points} for name, one in info.payload_schema.items()},
        }

    def index(self, body):
        take(body, ["field_name", "field_schema"])
        schema = body["field_schema"]
        schema = {"type": schema} if isinstance(schema, str) else schema
        make = INDEXES.get(schema.get("type"))
        if make is None:
            raise Refused(400, f"unknown index {schema!r}")
        self.shard.update(edge.UpdateOperation.create_field_index(body["field_name"], make(schema)))
        self.indexes[body["field_name"]] = schema["type"]
        return {"operation_id": 0, "status": "completed"}

    def filter(self, value, use="retrieve"):
        parsed = filter_of(value)
        if value is not None and self.strict[use]:
            check_indexed(value, self.indexes)
        return parsed

    def update(self, operation):
        (name, body), *more = operation.items()
        if more:
            raise Refused(400, "one operation at a time")
        if name == "upsert":
            points = [take(one, ["id", "vector"], ["payload"]) for one in take(body, ["points"])["points"]]
            for one in points:
                if len(one["vector"]) != self.vectors["size"]:
                    raise Refused(400, "wrong vector dimension")
            self.shard.update(
                edge.UpdateOperation.upsert_points(
                    [edge.Point(str(uuid.UUID(one["id"])), one["vector"], one.get("payload")) for one in points]
                )
            )
        elif name == "delete":
            self.shard.update(edge.UpdateOperation.delete_points_by_filter(self.filter(take(body, ["filter"])["filter"], "update")))
        elif name == "set_payload":
            take(body, ["payload", "filter"])
            self.shard.update(edge.UpdateOperation.set_payload_by_filter(self.filter(body["filter"], "update"), body["payload"]))
        else:
            raise Refused(400, f"unknown operation {name}")
        return {"operation_id": 0, "status": "completed"}

    def batch(self, body):
        return [self.update(operation) for operation in take(body, ["operations"])["operations"]]

    def query(self, search):
        take(search, ["query", "limit"], ["filter", "params", "with_payload", "with_vector"])
        found = self.shard.query(
            edge.QueryRequest(
                limit=search["limit"],
                query=edge.Query.Nearest(search["query"]),
                filter=self.filter(search.get("filter")),
                params=params_of(search.get("params")),
                with_payload=search.get("with_payload", False),
                with_vector=search.get("with_vector", False),
            )
        )
        return {"points": [{**record_of(one), "version": one.version, "score": one.score} for one in found]}

    def query_batch(self, body):
        return [self.query(search) for search in take(body, ["searches"])["searches"]]

    def scroll(self, body):
        take(body, ["limit"], ["filter", "offset", "order_by", "with_payload", "with_vector"])
        order = body.get("order_by")
        if order is not None:
            if body.get("offset") is not None:
                raise Refused(400, "offset and order_by exclude each other")
            take(order, ["key"], ["direction", "start_from"])
            if self.indexes.get(order["key"]) not in ("integer", "float"):
                raise Refused(400, f"No range index for `order_by` key {order['key']!r}")
            direction = edge.Direction.Desc if order.get("direction") == "desc" else edge.Direction.Asc
            order = edge.OrderBy(order["key"], direction, order.get("start_from"))
        points, following = self.shard.scroll(
            edge.ScrollRequest(
                offset=body.get("offset"),
                limit=body["limit"],
                filter=self.filter(body.get("filter")),
                with_payload=body.get("with_payload", True),
                with_vector=body.get("with_vector", False),
                order_by=order,
            )
        )
        following = None if order is not None or following is None else str(following)
        return {"points": [record_of(one) for one in points], "next_page_offset": following}

    def count(self, body):
        take(body, ["exact"], ["filter"])
        return {"count": self.shard.count(edge.CountRequest(body["exact"], self.filter(body.get("filter"))))}

    def facet(self, body):
        take(body, ["key", "exact"], ["filter", "limit"])
        if self.indexes.get(body["key"]) != "keyword":
            raise Refused(400, f"No appropriate index for faceting: {body['key']!r}")
        request = edge.FacetRequest(body["key"], body.get("limit", 10), body["exact"], self.filter(body.get("filter")))
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in self.shard.facet(request)]}


class Server:
    """Collections and aliases: what qdrant-edge-py does not have."""

    def __init__(self, folder):
        self.folder = folder
        self.collections = {}
        self.aliases = {}
        self.lock = threading.Lock()

    def answer(self, method, path, query, body):
        if not set(query) <= {"wait", "timeout"}:
            raise Refused(400, f"unknown parameters {sorted(query)}")
        match [method, *path]:
            case ["GET", "aliases"]:
                return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in self.aliases.items()]}
            case ["POST", "collections", "aliases"]:
                return self.change_aliases(take(body, ["actions"])["actions"])
            case ["GET", "collections"]:
                return {"collections": [{"name": name} for name in self.collections]}
            case ["GET", "collections", name]:
                return self.find(name).info()
            case ["PUT", "collections", name]:
                if name in self.collections or name in self.aliases:
                    raise Refused(409, f"Collection `{name}` already exists!")
                self.collections[name] = Collection(self.folder / uuid.uuid4().hex, body)
                return True
            case ["DELETE", "collections", name]:
                collection = self.collections.pop(name, None)
                if collection is not None:
                    collection.drop()
                self.aliases = {a: c for a, c in self.aliases.items() if c != name}
                return collection is not None
            case ["PUT", "collections", name, "index"]:
                return self.find(name).index(body)
            case ["POST", "collections", name, "points", "batch"]:
                return self.find(name).batch(body)
            case ["POST", "collections", name, "points", "query", "batch"]:
                return self.find(name).query_batch(body)
            case ["POST", "collections", name, "points", "scroll"]:
                return self.find(name).scroll(body)
            case ["POST", "collections", name, "points", "count"]:
                return self.find(name).count(body)
            case ["POST", "collections", name, "facet"]:
                return self.find(name).facet(body)
        raise Refused(404, f"unknown path {method} /{'/'.join(path)}")

    def find(self, name):
        collection = self.collections.get(self.aliases.get(name, name))
        if collection is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return collection

    def change_aliases(self, actions):
        aliases = dict(self.aliases)
        for action in actions:
            if "create_alias" in action:
                created = take(take(action, ["create_alias"])["create_alias"], ["alias_name", "collection_name"])
                if created["collection_name"] not in self.collections:
                    raise Refused(404, f"Not found: Collection `{created['collection_name']}` doesn't exist!")
                if created["alias_name"] in self.collections:
                    raise Refused(409, f"Collection `{created['alias_name']}` already exists!")
                aliases[created["alias_name"]] = created["collection_name"]
            else:
                aliases.pop(take(take(action, ["delete_alias"])["delete_alias"], ["alias_name"])["alias_name"], None)
        self.aliases = aliases
        return True


def handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self):
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length)
            path, _, query = self.path.partition("?")
            try:
                parameters = dict(part.partition("=")[::2] for part in query.split("&") if part)
                with server.lock:
                    result = server.answer(self.command, path.strip("/").split("/"), parameters, json.loads(text) if text else None)
                self.reply(200, {"result": result, "status": "ok", "time": 0.0})
            except Refused as refused:
                self.reply(refused.status, {"status": {"error": str(refused)}, "time": 0.0})
            except Exception as error:  # noqa: BLE001: whatever the engine refuses
                self.reply(400, {"status": {"error": f"{type(error).__name__}: {error}"}, "time": 0.0})

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def reply(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return Handler


class Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Clients that hang up are no news."""


if __name__ == "__main__":
    http = Http(("127.0.0.1", 0), handler(Server(Path(sys.argv[1]))))
    print(http.server_port, flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), http.shutdown()), daemon=True).start()
    http.serve_forever()
