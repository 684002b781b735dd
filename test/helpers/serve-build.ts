import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export type BuiltSources = {
  /** File of a module, named as below `src`: `moduleFile('serve/state.ts')`. */
  readonly moduleFile: (source: string) => string;
  readonly remove: () => void;
};

/**
 * Strips the types of `src` into a private folder below node_modules (bare imports resolve from
 * there), so that a test can start plain node processes on exactly the sources it tests, whatever
 * `dist` holds at the moment.
 */
export function buildSources(): BuiltSources {
  const cache = join(ROOT, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, 'mmdeploy-test-'));
  for (const entry of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(ROOT, 'src', entry), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const file = join(out, asJs(entry));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, outputText);
  }
  writeFileSync(join(out, 'package.json'), '{"type":"module"}\n');
  return {
    moduleFile: (source) => join(out, asJs(source)),
    remove: () => rmSync(out, { recursive: true, force: true }),
  };
}

function asJs(file: string): string {
  return file.replace(/\.ts$/, '.js');
}
