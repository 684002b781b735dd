// Last step of `npm run build`: zod is some 100 files, 50 ms of every start that checks anything. Here it
// becomes one file without its translations, dist/vendor/zod.js, and the compiled modules import that.
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const vendored = join(dist, 'vendor', 'zod.js');
const ENGLISH_ONLY = 'mmdeploy:locales';

const bundle = await rolldown({
  input: fileURLToPath(import.meta.resolve('zod')),
  platform: 'node',
  plugins: [
    {
      name: 'english-only',
      resolveId: (source) => (source.endsWith('/locales/index.js') ? ENGLISH_ONLY : null),
      load: (id) => (id === ENGLISH_ONLY ? 'export {};' : null),
    },
  ],
});
await bundle.write({ file: vendored, format: 'esm' });
copyFileSync(
  fileURLToPath(new URL('./LICENSE', import.meta.resolve('zod'))),
  join(dist, 'vendor', 'zod.LICENSE'),
);

let rewritten = 0;
for (const entry of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  const file = join(dist, entry);
  if (!entry.endsWith('.js') || file === vendored) continue;
  const code = readFileSync(file, 'utf8');
  const path = relative(dirname(file), vendored).split(sep).join('/');
  const bundled = code.replace(
    /from 'zod';/g,
    `from '${path.startsWith('.') ? path : `./${path}`}';`,
  );
  if (bundled === code) continue;
  writeFileSync(file, bundled);
  rewritten += 1;
}
// A build that rewrote nothing would ship two copies, or the slow one, unnoticed.
if (rewritten === 0)
  throw new Error('no module of dist imports zod: has the import changed its form?');
