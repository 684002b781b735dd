import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { runCommand } from '../../src/process/run.ts';
import type { TargetId } from '../../src/render/target-names.ts';
import type { Shape } from '../../src/render/types.ts';
import { quadletDryrun } from '../../src/validators/quadlet.ts';
import { demoPlan } from '../../src/workflows/serve-model.ts';
import { rendered, type Rendered } from '../helpers/deployments.ts';
import { expanded, find, kubeObjects } from '../helpers/kubernetes.ts';
import { startLlama } from '../helpers/llama.ts';
import { serveContext } from '../helpers/serve-context.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';
import { readUnit } from '../helpers/systemd.ts';
import { validatorContext } from '../helpers/validators.ts';

// What the readers of our files would start is started: their own reading of the command line, on the demo
// model, with the installed engine. Folders of containers are this machine's; nothing else is changed.
const engine = inject('llamaServer');
const tools = inject('validators');

type Written = Rendered & { readonly folder: string; readonly plan: DeploymentPlan };

/** The demo model's plan for this machine's CPU, written for one target. */
async function written(target: TargetId, shape: Shape = 'engine'): Promise<Written> {
  const plan = await demoPlan(['none'], serveContext().ctx);
  const listen = { host: '127.0.0.1', port: 18_080 };
  const files = await rendered(plan, [target], { shape, listen });
  const folder = temporaryFolder();
  for (const { path, text, executable } of files.files) {
    writeFileSync(join(folder, path), text);
    if (executable === true) chmodSync(join(folder, path), 0o755);
  }
  return { ...files, folder, plan };
}

/** Without the address, for which a free port of this machine's is put. */
function placeless(args: readonly string[]): { args: string[]; host: string; port: string } {
  const value = (flag: string) => args[args.indexOf(flag) + 1] ?? '';
  const rest = args.filter((arg, index) => {
    return !['--host', '--port'].some((flag) => arg === flag || args[index - 1] === flag);
  });
  return { args: rest, host: value('--host'), port: value('--port') };
}

/** Starts `program` and asks it what a client would. */
async function answers(program: string, args: readonly string[], plan: DeploymentPlan) {
  const llama = await startLlama(program, args);
  onTestFinished(llama.stop);
  expect(await llama.get('/health')).toEqual({ status: 'ok' });
  const { data } = (await llama.get('/v1/models')) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual([plan.model.id]);
  expect(await llama.get('/props')).toMatchObject({
    total_slots: plan.settings?.slots,
    default_generation_settings: { n_ctx: plan.settings?.contextPerSlot },
    modalities: { vision: true },
  });
}

/** Paths below mounts, as they are outside. */
function outside(args: readonly string[], mounts: Readonly<Record<string, string>>): string[] {
  return args.map((arg) => {
    const mount = Object.keys(mounts).find((target) => arg.startsWith(`${target}/`));
    return mount === undefined ? arg : `${mounts[mount] ?? ''}${arg.slice(mount.length)}`;
  });
}

type Project = {
  readonly services: Record<
    string,
    {
      readonly entrypoint: string[];
      readonly command: string[];
      readonly volumes: { readonly source: string; readonly target: string }[];
    }
  >;
};

/** The project as Compose has read it, or, where it is not installed, as it stands in the file. */
async function composeProject({ folder, text }: Written): Promise<Project> {
  const tool = tools['docker-compose'];
  if (tool === null) return parse(text('compose.yaml')) as Project;
  const file = join(folder, 'compose.yaml');
  const { stdout } = await runCommand(tool.path, ['-f', file, 'config', '--format', 'json'], {
    timeoutMs: 30_000,
    env: { PATH: process.env['PATH'], HOME: folder },
  });
  return JSON.parse(stdout) as Project;
}

describe.skipIf(engine === null)('the engine that a written file starts', () => {
  it('answers: compose', async () => {
    const deployed = await written('compose');
    const { services } = await composeProject(deployed);
    const [service] = Object.values(services);
    expect(service?.entrypoint).toEqual(['/app/llama-server']);
    const { args, ...listen } = placeless(service?.command ?? []);
    expect(listen).toEqual({ host: '0.0.0.0', port: '8080' });
    const mounts = Object.fromEntries(
      (service?.volumes ?? []).map(({ source, target }) => [target, source]),
    );
    await answers(engine ?? '', outside(args, mounts), deployed.plan);
  });

  it.skipIf(tools['systemd-analyze'] === null)('answers: systemd', async () => {
    const deployed = await written('systemd');
    const { commands } = await readUnit(
      join(deployed.folder, `${deployed.deployment.name}.service`),
    );
    const start = commands.find(([program]) => program === '/usr/local/bin/llama-server') ?? [];
    const { args, ...listen } = placeless(start.slice(1));
    expect(listen).toEqual({ host: '127.0.0.1', port: '18080' });
    await answers(engine ?? '', args, deployed.plan);
  });

  it.skipIf(tools.quadlet === null || tools['systemd-analyze'] === null)(
    'answers: quadlet',
    async () => {
      const deployed = await written('quadlet');
      const file = join(deployed.folder, `${deployed.deployment.name}.container`);
      const { services } = await quadletDryrun([file], validatorContext());
      const [name = '', text = ''] = Object.entries(services)[0] ?? [];
      writeFileSync(join(deployed.folder, name), text);
      const { commands } = await readUnit(join(deployed.folder, name));
      const run = commands.find((words) => words[1] === 'run') ?? [];
      const [source = '', target = ''] = run[run.indexOf('-v') + 1]?.split(':') ?? [];
      const image = run.indexOf(deployed.deployment.images.engine ?? '');
      const { args } = placeless(run.slice(image + 1));
      await answers(engine ?? '', outside(args, { [target]: source }), deployed.plan);
    },
  );

  it('answers: Kubernetes', async () => {
    const { plan, text, deployment } = await written('kubernetes');
    const { spec } = find(kubeObjects(text('kubernetes.yaml')), 'Deployment');
    const [container] = spec.template.spec.containers;
    expect(container.command).toEqual(['/app/llama-server']);
    const { args } = placeless(container.args.map((word) => expanded(word, {})));
    const folder = deployment.files[0]?.folder ?? '';
    await answers(engine ?? '', outside(args, { '/models': folder }), plan);
  });

  it('answers: the start script', async () => {
    const { folder, plan } = await written('llama-server');
    // The script's own variable, which the helper keeps from engines.
    const caller = join(folder, 'caller.sh');
    writeFileSync(
      caller,
      `#!/bin/sh\nLLAMA_SERVER='${engine ?? ''}' exec '${folder}/llama-server.sh' "$@"\n`,
    );
    chmodSync(caller, 0o755);
    // Its caller's address is given last, and wins.
    const llama = await startLlama(caller, []);
    onTestFinished(llama.stop);
    expect(await llama.get('/health')).toEqual({ status: 'ok' });
    expect(await llama.get('/props')).toMatchObject({ total_slots: plan.settings?.slots });
  });

  it('answers: the router, which loads the model when it is asked for', async () => {
    const { folder, plan, start } = await written('models-ini');
    const words = (start[0] ?? '').split(' ');
    expect(words[0]).toBe('llama-server');
    const { args } = placeless(words.slice(1));
    const inFolder = args.map((arg) => (arg === 'models.ini' ? join(folder, arg) : arg));
    const router = await startLlama(engine ?? '', inFolder);
    onTestFinished(router.stop);
    const answer = await router.post('/v1/chat/completions', {
      model: plan.model.id,
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 4,
    });
    expect(answer).toMatchObject({ model: plan.model.id, usage: { completion_tokens: 4 } });
  });
});

const BIN = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));

/** What a client gets of a gateway, asked by the command that `serve` runs once it is ready. */
const CLIENT = [
  ...['--port', '0', '--', process.execPath, '-e'],
  "fetch(process.env.OPENAI_BASE_URL + '/models').then(async (r) => console.log(await r.text()))",
];

/** Runs the gateway with this command line, and asks it which models it serves. */
async function served(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runCommand(program, [...args, ...CLIENT], {
    timeoutMs: 25_000,
    env: { PATH: process.env['PATH'], HOME: temporaryFolder(), ...env },
  });
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as unknown;
}

describe.skipIf(engine === null)('the gateway that a written file starts', () => {
  it('serves the model: the start script', async () => {
    const { folder, plan } = await written('llama-server', 'gateway');
    const script = join(folder, 'llama-server.sh');
    const env = { MMDEPLOY: BIN, MMDEPLOY_LLAMA_SERVER: engine ?? '' };
    expect(await served(script, [], env)).toMatchObject({ data: [{ id: plan.model.id }] });
  });

  it.skipIf(tools['systemd-analyze'] === null)('serves the model: systemd', async () => {
    const { folder, plan, deployment } = await written('systemd', 'gateway');
    const { commands } = await readUnit(join(folder, `${deployment.name}.service`));
    const start = commands.find(([program]) => program === '/usr/local/bin/mmdeploy') ?? [];
    const here: Readonly<Record<string, string>> = {
      [`/etc/mmdeploy/${deployment.name}.plan.json`]: join(folder, 'plan.host.json'),
      '/usr/local/bin/llama-server': engine ?? '',
    };
    const args = start.slice(1).map((word) => here[word] ?? word);
    expect(await served(BIN, args)).toMatchObject({ data: [{ id: plan.model.id }] });
  });

  it('serves the model: Kubernetes', async () => {
    const { folder, plan, deployment, text } = await written('kubernetes', 'gateway');
    const objects = kubeObjects(text('kubernetes.yaml'));
    const map = objects.find(({ metadata }) => metadata.name === `${deployment.name}-plan`);
    const planFile = join(folder, 'plan.of-the-pod.json');
    const models = deployment.files[0]?.folder ?? '';
    writeFileSync(planFile, (map?.data['plan.json'] ?? '').replaceAll('"/models/', `"${models}/`));
    const [container] = find(objects, 'Deployment').spec.template.spec.containers;
    const here: Readonly<Record<string, string>> = {
      '/etc/mmdeploy/plan.json': planFile,
      '/app/llama-server': engine ?? '',
      '/var/cache/mmdeploy': join(folder, 'cache'),
      '0.0.0.0': '127.0.0.1',
    };
    const args = container.args.map((word) => here[word] ?? word);
    expect(await served(BIN, args)).toMatchObject({ data: [{ id: plan.model.id }] });
  });
});
