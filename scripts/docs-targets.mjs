// `npm run docs:targets`: writes docs/targets.md from the targets themselves; a test keeps the two equal.
import { writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { PACKAGE_VERSION } from '../dist/cli/version.js';
import { createContext } from '../dist/workflows/create-context.js';
import { targetsPage } from '../dist/workflows/targets-page.js';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('../docs/targets.md', import.meta.url));
const options = { ...(await resolveConfig(file)), parser: 'markdown' };
writeFileSync(file, await format(await targetsPage(PACKAGE_VERSION, createContext()), options));
