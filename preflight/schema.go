package preflight

import _ "embed" // the schema

// SchemaID names the schema of major version 1.
const SchemaID = "urn:migimg:schema:preflight:1"

//go:embed preflight-1.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of preflight.json.
func Schema() []byte { return schema }
