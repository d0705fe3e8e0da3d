"""Which documents a JSON schema accepts: schema and a file with one JSON document a line; prints `y` or `n` for each."""
import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    validator = jsonschema.Draft7Validator(json.load(file))
with open(sys.argv[2], encoding="utf-8") as file:
    for line in file:
        print("y" if validator.is_valid(json.loads(line)) else "n")
