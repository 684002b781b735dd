// `npm run docs:models`: writes docs/models.md from the profiles; a test keeps the two equal.
import { writeFileSync } from 'node:fs';
import { modelsPage } from '../dist/workflows/models-page.js';

writeFileSync(new URL('../docs/models.md', import.meta.url), await modelsPage());
