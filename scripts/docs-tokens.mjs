// `npm run docs:tokens`: writes docs/tokens.md from the rules and profiles; a test keeps the two equal.
import { writeFileSync } from 'node:fs';
import { tokensPage } from '../dist/workflows/tokens-page.js';

writeFileSync(new URL('../docs/tokens.md', import.meta.url), await tokensPage());
