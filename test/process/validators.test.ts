import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { composeConfig } from '../../src/validators/compose.ts';
import { llamaServerArgs } from '../../src/validators/llama-args.ts';
import { promtoolRules } from '../../src/validators/prometheus.ts';
import { checkQuadlet, quadletDryrun } from '../../src/validators/quadlet.ts';
import { grafanaDashboard, scalerQueries } from '../../src/validators/queries.ts';
import type { Report } from '../../src/validators/report.ts';
import { routerPreset } from '../../src/validators/router.ts';
import { shellcheck } from '../../src/validators/shell.ts';
import { systemdSecurity, systemdVerify } from '../../src/validators/systemd.ts';
import { made, validatorContext } from '../helpers/validators.ts';

// Each reader takes the good file, and has a finding for each fault that is put into it: what a reader lets
// through is not proven by it. The words are those of Debian 12's readers and of 2026's alike.
const FIXTURES = fileURLToPath(new URL('../fixtures/written/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-written-'));
afterAll(() => rmSync(folder, { recursive: true }));

const validators = inject('validators');
const ctx = validatorContext();

/** A copy of the fixture with one text replaced; the file's name stays, because readers go by it. */
function faulty(name: string, from: string, to: string): string {
  const text = readFileSync(join(FIXTURES, name), 'utf8');
  expect(text).toContain(from);
  const path = join(mkdtempSync(join(folder, 'f-')), name);
  writeFileSync(path, text.replace(from, to));
  return path;
}

const good = (name: string) => join(FIXTURES, name);

async function findings(report: Promise<Report>): Promise<string> {
  return made(await report).findings.join('\n');
}

describe.skipIf(validators['docker-compose'] === null)('docker-compose', () => {
  it.each(['compose.nvidia.yaml', 'compose.amd.yaml', 'compose.cdi.yaml'])(
    'takes %s',
    async (name) => {
      const report = made(await composeConfig(good(name), ctx));
      expect(report).toMatchObject({ ok: true, findings: [], notes: [] });
      expect(report.validator).toMatch(/^docker-compose 2\.\d+\S* config$/);
    },
  );

  it.each([
    ['a key', 'healthcheck:', 'helthcheck:', /'helthcheck' not allowed/],
    ['a nested key', 'start_period', 'start_perod', /'start_perod' not allowed/],
    ['a device without capabilities', '              capabilities: [gpu]\n', '', /capabilities/],
    ['a count that is no number', 'device_ids: ["0"]', 'count: one', /count/],
    ['a time that is none', 'interval: 10s', 'interval: soon', /interval/],
    ['a size that is none', 'memory: 24g', 'memory: a lot', /memory|a lot/],
    ['a port that is none', 'target: 8080', 'target: http', /target|http/],
    ['a variable nobody sets', '/srv/models', '${NOBODY_SETS_THIS}', /NOBODY_SETS_THIS/],
    ['YAML that is none', 'tmpfs: [', 'tmpfs: [[', /yaml/i],
  ])('finds %s', async (_, from, to, said) => {
    expect(await findings(composeConfig(faulty('compose.nvidia.yaml', from, to), ctx))).toMatch(
      said,
    );
  });

  it('takes a variable that is given', async () => {
    const file = faulty('compose.nvidia.yaml', '/srv/models', '${MODELS_DIR:?}');
    expect(await findings(composeConfig(file, ctx))).toContain('MODELS_DIR');
    expect(await findings(composeConfig(file, ctx, { MODELS_DIR: '/srv/models' }))).toBe('');
  });
});

describe.skipIf(validators['systemd-analyze'] === null)('systemd-analyze', () => {
  it('takes a unit whose program is on another machine, and says so', async () => {
    const report = made(await systemdVerify(good('llava.service'), ctx));
    expect(report).toMatchObject({ ok: true, findings: [] });
    expect(report.notes.join()).toContain('/opt/llama.cpp/llama-server is not executable');
  });

  it.each([
    ['a key', 'ProtectHome', 'ProtectHom', /Unknown key 'ProtectHom'/],
    ['a key of another section', 'WantedBy', 'WantedBye', /WantedBye/],
    ['a section', '[Install]', '[Instal]', /Unknown section 'Instal'/],
    ['a value', 'Type=exec', 'Type=exce', /ignoring: exce|Type=exce,/],
    ['a size', 'MemoryMax=24G', 'MemoryMax=24Q', /MemoryMax|24Q/],
    ['a boolean', 'NoNewPrivileges=yes', 'NoNewPrivileges=yess', /: yess|NoNewPrivileges=yess,/],
    ['a group of system calls', '@system-service', '@system-servic', /@system-servic/],
    ['rights of a device', 'char-drm rw', 'char-drm rwz', /device rights 'rwz'/],
    ['a target that nobody has', 'After=network-online', 'After=network-onlin', /no such target/],
    ['a target that never starts it', 'multi-user', 'multiuser', /WantedBy=multiuser.target/],
    ['no program', 'ExecStart=/opt', 'ExecStrt=/opt', /ExecStrt/],
  ])('finds %s', async (_, from, to, said) => {
    expect(await findings(systemdVerify(faulty('llava.service', from, to), ctx))).toMatch(said);
  });

  it('rates a hardened unit at most 2.5 and an open one above', async () => {
    expect(await findings(systemdSecurity(good('llava.service'), ctx))).toBe('');
    const open = faulty('llava.service', 'SystemCallFilter=@system-service\n', '');
    expect(await findings(systemdSecurity(open, ctx))).toMatch(/^exposure [\d.]+, at most 2.5/);
  });
});

describe.skipIf(validators.quadlet === null)('quadlet', () => {
  it('takes a container, and systemd the unit that comes of it', async () => {
    const { services, ...report } = await quadletDryrun([good('llava.container')], ctx);
    expect(made(report)).toMatchObject({ ok: true, findings: [] });
    expect(services['llava.service']).toMatch(/^ExecStart=\S*podman run .*--device nvidia/m);
    for (const each of await checkQuadlet([good('llava.container')], ctx)) {
      expect('skipped' in each ? '' : each.findings.join()).toBe('');
    }
  });

  it.each([
    ['a key', 'HealthCmd', 'HelthCmd', /unsupported key 'HelthCmd'/],
    ['a section', '[Container]', '[Contaner]', /no Image or Rootfs key/],
    ['no image', /^Image=.*\n/m, '', /[Ii]mage/],
    ['a short image name', 'ghcr.io/ggml-org/llama.cpp:', 'llama.cpp:', /fully qualified/],
    ['a line that is none', 'ReadOnly=true', 'ReadOnly', /ReadOnly/],
  ])('finds %s', async (_, from, to, said) => {
    const text = readFileSync(good('llava.container'), 'utf8');
    const old = typeof from === 'string' ? from : (from.exec(text)?.[0] ?? 'absent');
    const file = faulty('llava.container', old, to);
    expect(await findings(quadletDryrun([file], ctx))).toMatch(said);
  });

  it.skipIf(validators['systemd-analyze'] === null)(
    'leaves the sections of systemd to systemd',
    async () => {
      const file = faulty('llava.container', 'Restart=', 'Restar=');
      const [ours, systemd] = await checkQuadlet([file], ctx);
      expect(ours).toMatchObject({ ok: true });
      expect(systemd).toMatchObject({ ok: false, findings: [expect.stringContaining('Restar')] });
    },
  );
});

describe.skipIf(validators.shellcheck === null)('shellcheck', () => {
  it('takes a script', async () => {
    expect(await findings(shellcheck(good('start.sh'), ctx))).toBe('');
  });

  it.each([
    [
      'an open word',
      '"${MODELS_DIR:?set it to the folder of the models}/model.gguf"',
      '$MODELS_DIR/model.gguf',
      /SC2086/,
    ],
    ['a quote left open', '127.0.0.1', '"127.0.0.1', /SC10\d\d/],
    ['a space after the backslash', '127.0.0.1 \\', '127.0.0.1 \\ ', /SC1101/],
  ])('finds %s', async (_, from, to, said) => {
    expect(await findings(shellcheck(faulty('start.sh', from, to), ctx))).toMatch(said);
  });

  it('finds a file that is not there', async () => {
    expect(await findings(shellcheck(join(folder, 'absent.sh'), ctx))).toContain('absent.sh');
  });
});

describe.skipIf(validators.promtool === null)('promtool', () => {
  it('takes rules', async () => {
    expect(await findings(promtoolRules(good('alerts.yml'), ctx))).toBe('');
  });

  it.each([
    ['a key', 'for: 5m', 'fr: 5m', /field fr not found/],
    ['a time', 'for: 5m', 'for: 5x', /5x/],
    ['an expression', '> 4', '>> 4', /parse error|unexpected/],
    ['a template', 'requests wait', '"{{ $valu }}" # requests wait', /valu/],
  ])('finds %s', async (_, from, to, said) => {
    expect(await findings(promtoolRules(faulty('alerts.yml', from, to), ctx))).toMatch(said);
  });
});

describe.skipIf(validators.promtool === null)('promtool on queries in other files', () => {
  it('takes those of the dashboard in docs/', async () => {
    const file = fileURLToPath(new URL('../../profiles/dashboards/gateway.json', import.meta.url));
    const report = made(await grafanaDashboard(file, ctx));
    expect(report.findings).toEqual([]);
    expect(report.validator).toMatch(/^promtool \S+ queries$/);
  });

  it('names the query of a panel that Prometheus would refuse', async () => {
    const panel = (expr: string) => ({ title: 'Queue', targets: [{ expr }] });
    const panels = [
      panel('sum(rate(a_total{instance=~"$instance"}[$__rate_interval]))'),
      { title: 'Row', panels: [panel('sum(rate(b_total[$__range])')] },
      panel('rate(c_total)'),
      panel('up{job="$nobody"}'),
    ];
    const file = join(folder, 'dashboard.json');
    const templating = { list: [{ name: 'instance' }] };
    writeFileSync(file, JSON.stringify({ title: 'Test', panels, templating }));
    expect(made(await grafanaDashboard(file, ctx)).findings).toEqual([
      'no variable of the dashboard is called `nobody`',
      expect.stringMatching(/^`sum\(rate\(b_total\[5m\]\)`: .*parenthesis/),
      expect.stringMatching(/^`rate\(c_total\)`: .*range vector/),
    ]);
    writeFileSync(file, JSON.stringify({ title: 'Test', pannels: panels }));
    expect(await findings(grafanaDashboard(file, ctx))).toContain('panels');
    writeFileSync(file, '{');
    expect(await findings(grafanaDashboard(file, ctx))).toContain('JSON');
  });

  it('reads what KEDA asks', async () => {
    expect(await scalerQueries(good('operators.yaml'), ctx)).toMatchObject([{ ok: true }]);
    expect(await scalerQueries(good('kubernetes.yaml'), ctx)).toEqual([]);
    const file = faulty('operators.yaml', 'sum(vllm', 'summ(vllm');
    expect(await scalerQueries(file, ctx)).toMatchObject([
      { findings: [expect.stringContaining('`summ(vllm:num_requests_waiting)`: ')] },
    ]);
  });
});

describe.skipIf(inject('llamaServer') === null)('llama-server', () => {
  const given = [
    '--model',
    '/srv/m.gguf',
    '--host',
    '127.0.0.1',
    '--port',
    '8080',
    '--parallel',
    '2',
  ];

  it('takes arguments, whatever is not on this machine', async () => {
    const files = ['--api-key-file', '/nowhere/keys', '--media-path', '/nowhere/media'];
    const report = made(
      await llamaServerArgs([...given, '--mmproj', '/srv/p.gguf', ...files], ctx),
    );
    expect(report).toMatchObject({ ok: true, findings: [] });
    expect(report.validator).toMatch(/^llama-server \S+ \(build \d+\) arguments$/);
  });

  it.each([
    ['a flag', ['--ctx-sze', '4096'], /invalid argument: --ctx-sze/],
    ['a flag of older engines', ['--no-mmap'], /invalid argument: --no-mmap/],
    ['a word that is no number', ['--ctx-size', 'abc'], /--ctx-size/],
    ['a type of cache', ['--cache-type-k', 'q9'], /--cache-type-k/],
    ['a choice', ['--flash-attn', 'maybe'], /--flash-attn/],
    ['a value left out', ['--ctx-size'], /--ctx-size|expected value/],
    ['a flag given twice', ['--parallel', '3'], /--parallel.* multiple times/],
    ['a word too many', ['model.gguf'], /invalid argument: model.gguf/],
  ])('finds %s', async (_, more, said) => {
    expect(await findings(llamaServerArgs([...given, ...more], ctx))).toMatch(said);
  });

  it('makes arguments of a preset', async () => {
    const { models, ...report } = await routerPreset(good('models.ini'), ctx);
    expect(made(report)).toMatchObject({ ok: true, findings: [] });
    const args = models['llava-1.5-7b']?.join(' ');
    expect(args).toContain('--model /srv/models/llava-1.5-7b-Q4_K_M.gguf');
    expect(args).toContain('--ctx-size 8192');
    expect(args).toContain('--parallel 2');
  });

  it('loads none of them, whatever the preset asks for at start-up', async () => {
    const { model, mmproj } = await writeDemoModel(join(folder, 'demo'));
    const file = join(folder, 'eager.ini');
    const eager = (when: string) =>
      `version = 1\n\n[demo]\nmodel = ${model}\nmmproj = ${mmproj}\nload-on-startup = ${when}\n`;
    writeFileSync(file, eager('true'));
    // The router says of each model whether it is loaded, or being loaded: that would be a finding.
    const { models, ...report } = await routerPreset(file, ctx);
    expect(made(report)).toMatchObject({ ok: true });
    expect(readFileSync(file, 'utf8')).toBe(eager('true'));
    expect(models['demo']).toContain(model);
    writeFileSync(file, eager('yes please'));
    expect(await findings(routerPreset(file, ctx))).toContain('load-on-startup = yes');
    expect(await findings(routerPreset(join(folder, 'absent.ini'), ctx))).toBe('it cannot be read');
  });

  it.each([
    ['a key', 'c = 8192', 'ctx-sze = 8192', /ctx-sze/],
    ['a value', 'c = 8192', 'c = many', /--ctx-size/],
    [
      'a switch that is neither',
      'c = 8192',
      'metrics = perhaps',
      /`metrics = perhaps`: true or false/,
    ],
    ['a flag of older engines', 'c = 8192', 'no-mmap = true', /no-mmap/],
  ])('finds %s of a preset', async (_, from, to, said) => {
    expect(await findings(routerPreset(faulty('models.ini', from, to), ctx))).toMatch(said);
  });
});

it('says which program is missing and which package has it', async () => {
  const none = validatorContext({
    validators: { ...validators, 'docker-compose': null, quadlet: null },
    llamaServer: null,
  });
  expect(await composeConfig(good('compose.nvidia.yaml'), none)).toEqual({
    validator: 'docker-compose config',
    skipped: 'docker-compose 2.20.2 or newer is not on this machine (package docker-compose)',
  });
  expect(await checkQuadlet([good('llava.container')], none)).toMatchObject([
    { skipped: expect.stringContaining('package podman') },
  ]);
  expect(await llamaServerArgs([], none)).toMatchObject({
    skipped: expect.stringContaining('mmdeploy engine install'),
  });
});
