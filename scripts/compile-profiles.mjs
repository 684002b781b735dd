// Writes the checked YAML files as JSON, which loads twenty times faster: profiles, cards and prices to
// dist/profiles/compiled.json, the engine catalogue to dist/engine/catalogue.json.
// Part of the build; without them the YAML files are read.
import { rmSync, writeFileSync } from 'node:fs';
import { loadEngineCatalogue } from '../dist/engine/catalogue.js';
import { compileProfiles } from '../dist/profiles/load.js';

const at = (path) => new URL(`../dist/${path}`, import.meta.url);
// One from an earlier run would be copied instead of the file it was made from.
rmSync(at('engine/catalogue.json'), { force: true });
writeFileSync(at('engine/catalogue.json'), JSON.stringify(await loadEngineCatalogue()));
writeFileSync(at('profiles/compiled.json'), JSON.stringify(await compileProfiles()));
