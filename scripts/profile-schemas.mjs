// Writes profiles/schema/*.json, from which editors check and complete the YAML files beside them, the lines
// of manifests, and, in targets/, what deployments are made of.
// Run after a build: the schemas come from dist/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifestSchemas } from '../dist/estimate/manifest/schema.js';
import { profileSchemas } from '../dist/profiles/json-schemas.js';
import { targetSchemas } from '../dist/render/schema/json-schemas.js';

const folder = new URL('../profiles/schema/', import.meta.url);
const files = { ...profileSchemas(), ...manifestSchemas() };
for (const [name, text] of Object.entries(targetSchemas())) files[`targets/${name}`] = text;
mkdirSync(new URL('targets/', folder), { recursive: true });
for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, folder);
  writeFileSync(file, text);
  process.stdout.write(`${fileURLToPath(file)}\n`);
}
