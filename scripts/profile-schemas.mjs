// Writes profiles/schema/*.json, from which editors check and complete the YAML files beside them, and
// the lines of manifests.
// Run after a build: the schemas come from dist/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifestSchemas } from '../dist/estimate/manifest/schema.js';
import { profileSchemas } from '../dist/profiles/json-schemas.js';

const folder = new URL('../profiles/schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries({ ...profileSchemas(), ...manifestSchemas() })) {
  const file = new URL(name, folder);
  writeFileSync(file, text);
  process.stdout.write(`${fileURLToPath(file)}\n`);
}
