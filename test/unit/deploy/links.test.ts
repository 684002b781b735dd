import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { DeploymentPlan } from '../../../src/contracts/plan.ts';
import { linkedFiles } from '../../../src/deploy/links.ts';
import { wiringFindings } from '../../../src/deploy/wiring/findings.ts';
import type { LinkedFile } from '../../../src/render/types.ts';
import { planFor, rendered } from '../../helpers/deployments.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';

/** A plan of these files, which nobody reads. */
async function planOf(model: string, mmproj: string | null): Promise<DeploymentPlan> {
  const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
  const at = (role: 'model' | 'mmproj', path: string) =>
    plan.files[role] && { ...plan.files[role], path };
  const args = [...(plan.engine?.args ?? [])];
  args[args.indexOf('--model') + 1] = model;
  args[args.indexOf('--mmproj') + 1] = mmproj ?? '';
  return {
    ...plan,
    engine: plan.engine && { ...plan.engine, args },
    files: { model: at('model', model), mmproj: mmproj === null ? null : at('mmproj', mmproj) },
  };
}

describe('files of a model that are links', () => {
  it('are found with what they lead to, each file of a split model', async () => {
    const root = temporaryFolder();
    const [blobs, snapshot] = [join(root, 'blobs'), join(root, 'snapshots')];
    for (const folder of [blobs, snapshot]) mkdirSync(folder);
    const names = ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf', 'mmproj.gguf'];
    for (const name of names) {
      writeFileSync(join(blobs, `of ${name}`), '');
      symlinkSync(join('..', 'blobs', `of ${name}`), join(snapshot, name));
    }
    const [model = '', , mmproj = ''] = names.map((name) => join(snapshot, name));
    expect(await linkedFiles(await planOf(model, mmproj))).toEqual(
      names.map((name) => ({ folder: snapshot, name, real: join(blobs, `of ${name}`) })),
    );
  });

  it('are none where a folder is one, where nothing is here, and in an honest folder', async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'models'));
    writeFileSync(join(root, 'models', 'm.gguf'), '');
    symlinkSync('models', join(root, 'link'));
    for (const folder of ['models', 'link', 'nowhere']) {
      expect(await linkedFiles(await planOf(join(root, folder, 'm.gguf'), null))).toEqual([]);
    }
  });
});

const HUB = '/home/kim/.cache/huggingface/hub/models--o--m';

describe('a deployment of links', () => {
  const folder = `${HUB}/snapshots/rev`;
  const links: readonly LinkedFile[] = [
    { folder, name: 'm-00001-of-00002.gguf', real: `${HUB}/blobs/aaa` },
    { folder, name: 'm-00002-of-00002.gguf', real: `${HUB}/blobs/bbb` },
    { folder, name: 'mm $%.gguf', real: `${HUB}/blobs/ccc` },
  ];
  const made = async (target: 'compose' | 'quadlet' | 'systemd', all = links) => {
    const plan = await planOf(`${folder}/m-00001-of-00002.gguf`, `${folder}/mm $%.gguf`);
    const { files, deployment } = await rendered(plan, [target], { links: all });
    const file = files.find(({ reader }) => reader === target);
    return { text: file?.text ?? '', deployment };
  };
  const valuesOf = (text: string, key: string) =>
    [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value);

  it('mounts what each leads to under the name of the link', async () => {
    const { text } = await made('compose');
    const services: Record<string, { volumes: { source: string; target: string }[] }> =
      parse(text).services;
    const [service] = Object.values(services);
    expect(service?.volumes.map(({ source, target }) => [source, target])).toEqual([
      [`${HUB}/blobs/aaa`, '/models/m-00001-of-00002.gguf'],
      [`${HUB}/blobs/bbb`, '/models/m-00002-of-00002.gguf'],
      [`${HUB}/blobs/ccc`, '/models/mm $$%.gguf'],
    ]);
    expect(valuesOf((await made('quadlet')).text, 'Volume')).toContain(
      `${HUB}/blobs/ccc:/models/mm $$%%.gguf:ro,z`,
    );
  });

  it('puts them into the place of the links where a unit hides their folder', async () => {
    const { text } = await made('systemd');
    expect(valuesOf(text, 'BindReadOnlyPaths')).toContain(
      `${HUB}/blobs/aaa:${folder}/m-00001-of-00002.gguf`,
    );
    expect(valuesOf(text, 'ProtectHome')).toEqual(['tmpfs']);
    expect(valuesOf(text, 'RequiresMountsFor').join()).toContain(`${HUB}/blobs`);
  });

  it('is wired only where each is mounted by itself', async () => {
    for (const target of ['compose', 'quadlet'] as const) {
      const { text, deployment } = await made(target);
      expect(wiringFindings(target, text, deployment)).toEqual([]);
      const folders = await made(target, []);
      expect(wiringFindings(target, folders.text, deployment)).toContain(
        `\`mm $%.gguf\` is a link to ${HUB}/blobs/ccc: that is not mounted in its place`,
      );
    }
  });

  it('lets a link out of an open folder into a home lead there still', async () => {
    const open = '/srv/models';
    const plan = await planOf(`${open}/m.gguf`, `${open}/mm.gguf`);
    const { files } = await rendered(plan, ['systemd'], {
      links: [
        { folder: open, name: 'm.gguf', real: `${HUB}/blobs/aaa` },
        { folder: open, name: 'mm.gguf', real: `${open}/mm.gguf` },
      ],
    });
    const text = files.find(({ reader }) => reader === 'systemd')?.text ?? '';
    expect(valuesOf(text, 'BindReadOnlyPaths')).toEqual([`${HUB}/blobs/aaa`]);
    expect(valuesOf(text, 'ProtectHome')).toEqual(['tmpfs']);
  });
});
