// `npm run docs:readme`: runs every `$ mmdeploy …` of README.md and docs/estimate.md and pastes what it prints
// below it. test/contract/readme.test.ts keeps them equal.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../bin/mmdeploy.js', import.meta.url));
for (const name of ['README.md', 'docs/estimate.md']) {
  const page = new URL(`../${name}`, import.meta.url);
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(/```\n\$ mmdeploy ([^\n]+)\n[\s\S]*?```/g, (_, command) => {
      const argv = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain,
      );
      const { stdout } = spawnSync(process.execPath, [bin, ...argv], { encoding: 'utf8' });
      return `\`\`\`\n$ mmdeploy ${command}\n${stdout.trimEnd()}\n\`\`\``;
    }),
  );
}
