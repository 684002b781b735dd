// `npm run docs:cli`: writes docs/cli.md from the command definitions; a test keeps the two equal.
import { writeFileSync } from 'node:fs';
import { cliReference } from '../dist/cli/reference.js';

writeFileSync(new URL('../docs/cli.md', import.meta.url), await cliReference());
