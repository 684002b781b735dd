// Last step of `npm run build`: what `bin/mmdeploy.js` starts is a handful of files in dist/app instead of
// some 300 modules, which Node would find and compile one by one: a third of the time of a short command.
// zod and commander are bundled with it (every command needs them, and they are 110 files); other packages
// stay where npm puts them. The modules in dist are the library and what our scripts import.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const BUNDLED = ['zod', 'commander'];
const ENGLISH_ONLY = 'mmdeploy:locales';

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const isPackage = (id) => !/^[./]|^[A-Za-z]:\\|^\0|^mmdeploy:/.test(id);
const isBundled = (id) => BUNDLED.some((name) => id === name || id.startsWith(`${name}/`));

const bundle = await rolldown({
  input: {
    mmdeploy: dist('cli/main.js'),
    // A thread of its own; the module that starts it looks for it beside itself.
    'decode-worker': dist('serve/media/worker/decode-worker.js'),
  },
  platform: 'node',
  external: (id) => isPackage(id) && !isBundled(id),
  plugins: [
    {
      // zod's error texts in 50 languages: ours are in one.
      name: 'english-only',
      resolveId: (source) => (source.endsWith('/locales/index.js') ? ENGLISH_ONLY : null),
      load: (id) => (id === ENGLISH_ONLY ? 'export {};' : null),
    },
  ],
});
const { output } = await bundle.write({
  dir: dist('app'),
  format: 'esm',
  // Doc comments are a sixth of what Node would read; the modules in dist keep them.
  comments: { legal: true, annotation: true, jsdoc: false },
  // Beside each other, two folders below the package: what a module finds by its own URL stays there.
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
});

// A bundle without them would start, only slowly.
for (const name of BUNDLED) {
  const inside = output.some(({ moduleIds = [] }) =>
    moduleIds.some((id) => id.includes(`/node_modules/${name}/`)),
  );
  if (!inside) throw new Error(`${name} did not become part of dist/app`);
  const [before] = fileURLToPath(import.meta.resolve(name)).split(join('node_modules', name));
  copyFileSync(join(before, 'node_modules', name, 'LICENSE'), dist(`app/${name}.LICENSE`));
}
for (const made of ['profiles/compiled.json', 'engine/catalogue.json']) {
  copyFileSync(dist(made), dist(`app/${made.split('/').at(-1)}`));
}
