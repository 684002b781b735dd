// Writes profiles/schema/*.json, from which editors check and complete the YAML files beside them.
// Run after a build: the schemas come from dist/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { profileSchemas } from '../dist/profiles/json-schemas.js';

const folder = new URL('../profiles/schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(profileSchemas())) {
  const file = new URL(name, folder);
  writeFileSync(file, text);
  process.stdout.write(`${fileURLToPath(file)}\n`);
}
