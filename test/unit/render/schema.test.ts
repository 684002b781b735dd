import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { DOCUMENTS, objectFindings, schemaFindings } from '../../../src/render/schema/index.ts';
import { targetSchemas } from '../../../src/render/schema/json-schemas.ts';
import { closedSchema } from '../../../src/validators/closed-schema.ts';
import { beyond, ofFilledIn, resolverOf } from '../../helpers/schema-walk.ts';
import type { SchemaNode } from '../../helpers/schema-walk.ts';

const root = new URL('../../../', import.meta.url);
const written = (name: string) => new URL(`test/fixtures/written/${name}`, root);
const documentsOf = (name: string): unknown[] =>
  parseAllDocuments(readFileSync(written(name), 'utf8')).map((each) => each.toJS() as unknown);

type Case = readonly [name: string, document: unknown, findings: (document: unknown) => string[]];

const objects = ['kubernetes.yaml', 'operators.yaml'].flatMap(documentsOf);
const CASES: readonly Case[] = [
  ...objects.map((document, index): Case => {
    const { kind, metadata } = document as { kind: string; metadata: { name: string } };
    return [`${kind} ${metadata.name} (${index})`, document, objectFindings];
  }),
  ...['compose.nvidia.yaml', 'compose.amd.yaml', 'compose.cdi.yaml'].map((name): Case => [
    name,
    documentsOf(name)[0],
    (each) => schemaFindings(DOCUMENTS.compose, each),
  ]),
  [
    'llama-swap.yaml',
    documentsOf('llama-swap.yaml')[0],
    (each) => schemaFindings(DOCUMENTS['llama-swap'], each),
  ],
];

/** Maps whose keys are anyone's. */
const OPEN =
  /^(labels|matchLabels|annotations|nodeSelector|data|environment|models|services|volumes|selector)$/;

type Change = { readonly path: string; readonly document: unknown };

/** The document with one thing changed, for every field of it: `change` gives the field's new entries. */
function changed(
  document: unknown,
  change: (
    key: string,
    value: unknown,
    open: boolean,
  ) => readonly (readonly [string, unknown])[] | null,
): Change[] {
  const walk = (
    node: unknown,
    path: readonly string[],
    build: (value: unknown) => unknown,
  ): Change[] => {
    if (typeof node !== 'object' || node === null) return [];
    if (Array.isArray(node)) {
      return node.flatMap((item, index) =>
        walk(item, [...path, String(index)], (value) => build(node.with(index, value))),
      );
    }
    const parent = path.findLast((name) => !/^\d+$/.test(name)) ?? '';
    const entries = Object.entries(node);
    return entries.flatMap(([key, value], index) => {
      const put = (...to: readonly (readonly [string, unknown])[]) =>
        build(Object.fromEntries([...entries.slice(0, index), ...to, ...entries.slice(index + 1)]));
      const to = change(key, value, OPEN.test(parent) && !Array.isArray(node));
      const here = to === null ? [] : [{ path: [...path, key].join('.'), document: put(...to) }];
      return [...here, ...walk(value, [...path, key], (inner) => put([key, inner]))];
    });
  };
  return walk(document, [], (value) => value);
}

describe.each(CASES)('the closed schema of %s', (_, document, findings) => {
  it('takes it', () => {
    expect(findings(document)).toEqual([]);
  });

  it('finds a letter left out of any key', () => {
    const typos = changed(document, (key, value, open) =>
      open ? null : [[key.slice(0, -1) || 'x', value]],
    );
    expect(typos.length).toBeGreaterThan(5);
    const missed = typos.filter((each) => findings(each.document).length === 0);
    expect(missed.map(({ path }) => path)).toEqual([]);
  });

  it('finds a value of another kind anywhere', () => {
    const other = (value: unknown) =>
      typeof value === 'object' && value !== null ? 'word' : [['x']];
    const wrong = changed(document, (key, value) => [[key, other(value)]]);
    const missed = wrong.filter((each) => findings(each.document).length === 0);
    expect(missed.map(({ path }) => path)).toEqual([]);
  });
});

describe('values that readers of the files would take', () => {
  const [compose] = documentsOf('compose.nvidia.yaml');
  const deployment = objects.find((each) => (each as { kind: string }).kind === 'Deployment');
  const replaced = (document: unknown, from: string, to: string) => {
    const text = JSON.stringify(document);
    expect(text).toContain(from);
    return JSON.parse(text.replace(from, to)) as unknown;
  };

  it.each([
    ['an image of no version', 'server-cuda-b11541', 'latest'],
    ['an image without a tag', ':server-cuda-b11541', ''],
    ['a variable that may be unset', '/models/llava', '${MODELS}/llava'],
    ['a device that is none', '"device_ids":["0"]', '"device_ids":["gpu0"]'],
    ['more privileges', 'no-new-privileges:true', 'seccomp:unconfined'],
    ['a port as YAML number', '"published":"8080"', '"published":8080'],
    ['a memory limit that is none', '"24g"', '"24gib"'],
    ['a secret', '"read_only":true,"tmpfs"', '"environment":{"HF_TOKEN":"hf_abc"},"tmpfs"'],
  ])('finds %s in Compose', (_, from, to) => {
    expect(schemaFindings(DOCUMENTS.compose, replaced(compose, from, to))).not.toEqual([]);
  });

  it.each([
    ['an image of no version', 'server-cuda-b11541', 'latest'],
    ['a resource that no device plugin has', 'nvidia.com/gpu":"1"', 'nvidia.com/gpus":"1"'],
    ['a quantity with Docker’s unit', '"48Gi"', '"48g"'],
    ['a number that is no string', '"nvidia.com/gpu":"1"', '"nvidia.com/gpu":1'],
    ['a name with a dot in a label', '"name":"llama"', '"name":"llama-1.5"'],
    ['a label that is too long', '"fetch"', `"${'a'.repeat(64)}"`],
    ['a privileged container', '"privileged":false', '"privileged":true'],
    ['a port that is none', '"containerPort":8080', '"containerPort":80800'],
  ])('finds %s in a Deployment', (_, from, to) => {
    expect(objectFindings(replaced(deployment, from, to))).not.toEqual([]);
  });

  it('takes a secret of the shell that starts it', () => {
    for (const value of ['null', '"${HF_TOKEN:?export it}"']) {
      const to = `"environment":{"HF_TOKEN":${value}},"tmpfs"`;
      const document = replaced(compose, '"read_only":true,"tmpfs"', to);
      expect(schemaFindings(DOCUMENTS.compose, document)).toEqual([]);
    }
  });

  it('takes names of ports for its own pods only', () => {
    const policy = objects.find((each) => (each as { kind: string }).kind === 'NetworkPolicy');
    expect(objectFindings(replaced(policy, '"port":8080', '"port":"http"'))).toEqual([]);
    expect(objectFindings(replaced(policy, '"port":53', '"port":"dns"'))).not.toEqual([]);
  });

  it('names the field, and of a union the branch that was meant', () => {
    const typo = replaced(compose, '"create_host_path"', '"create_hostpath"');
    expect(schemaFindings(DOCUMENTS.compose, typo)).toContain(
      'services.llama.volumes.0.bind.create_hostpath: no such field',
    );
    expect(objectFindings({ apiVersion: 'v1', kind: 'Secret' })).toEqual([
      'v1 Secret: no object of a kind that mmdeploy writes',
    ]);
  });
});

describe('the schemas as files', () => {
  const folder = new URL('profiles/schema/targets/', root);

  it('are those of profiles/schema/targets (`npm run schemas`)', () => {
    const schemas = targetSchemas();
    expect(readdirSync(folder).sort()).toEqual(Object.keys(schemas).sort());
    for (const [name, text] of Object.entries(schemas)) {
      expect(readFileSync(new URL(name, folder), 'utf8'), name).toBe(text);
    }
  });

  it('are closed at every level', () => {
    for (const [name, text] of Object.entries(targetSchemas())) {
      JSON.parse(text, (key, value: unknown) => {
        const node = value as SchemaNode | undefined;
        if (node?.type === 'object')
          expect(node.additionalProperties, `${name} ${key}`).not.toBe(true);
        if (node?.properties !== undefined) expect(node.additionalProperties, name).toBe(false);
        return value;
      });
    }
  });
});

const ours = (name: string) => {
  const node = JSON.parse(targetSchemas()[name] ?? 'null') as SchemaNode;
  return { node, resolve: resolverOf(node) };
};

describe('beside the full schemas', () => {
  it('llama-swap’s has every field of ours', () => {
    const file = new URL('test/fixtures/schemas/llama-swap.json', root);
    const full = JSON.parse(readFileSync(file, 'utf8')) as SchemaNode;
    expect(beyond(ours('llama-swap.json'), { node: full, resolve: resolverOf(full) })).toEqual([]);
  });

  const api = inject('validators')['kubernetes-api'];
  describe.skipIf(api === null)('Kubernetes’ own', () => {
    const read = (name: string) =>
      JSON.parse(readFileSync(`${api?.path}/${name}`, 'utf8')) as unknown;
    const filledIn = (name: string) => ofFilledIn(read(`${name}.json`));
    const at = (node: SchemaNode | undefined, ...path: string[]) =>
      path.reduce((each, name) => each?.properties?.[name], node) ?? {};
    const deployment = api === null ? undefined : filledIn('apps.v1.Deployment');
    const autoscaler =
      api === null ? undefined : filledIn('autoscaling.v2.HorizontalPodAutoscaler');
    const parts = resolverOf({
      definitions: {
        ObjectMeta: at(deployment, 'metadata'),
        PodTemplateSpec: at(deployment, 'spec', 'template'),
        PersistentVolumeClaim: api === null ? {} : filledIn('core.v1.PersistentVolumeClaim'),
        PodSpec: at(deployment, 'spec', 'template', 'spec'),
        HorizontalPodAutoscalerBehavior: at(autoscaler, 'spec', 'behavior'),
      },
    });
    const swagger = (api === null ? {} : read('swagger.json')) as Record<string, object>;

    it.each([
      ['deployment', 'apps.v1.Deployment'],
      ['service', 'core.v1.Service'],
      ['persistentvolumeclaim', 'core.v1.PersistentVolumeClaim'],
      ['configmap', 'core.v1.ConfigMap'],
      ['horizontalpodautoscaler', 'autoscaling.v2.HorizontalPodAutoscaler'],
      ['networkpolicy', 'networking.k8s.io.v1.NetworkPolicy'],
      ['poddisruptionbudget', 'policy.v1.PodDisruptionBudget'],
      ['job', 'batch.v1.Job'],
    ])('has every field of %s', (name, object) => {
      const full = { node: filledIn(object), resolve: parts };
      expect(beyond(ours(`${name}.json`), full)).toEqual([]);
      // The OpenAPI description is older: fields that came later are known from the objects alone.
      const definition = `io.k8s.api.${object.replace('.k8s.io', '')}`;
      const node = (swagger['definitions'] as Record<string, SchemaNode>)[definition];
      if (node === undefined) return;
      const said = beyond(ours(`${name}.json`), { node, resolve: resolverOf(swagger) });
      expect(said.filter((line) => !line.endsWith('no such field'))).toEqual([]);
    });

    it.each(['scaledobject', 'leaderworkerset', 'llminferenceservice'])(
      'and what is published of %s has every field of ours',
      (name) => {
        const file = new URL(`test/fixtures/schemas/${name}.json`, root);
        const node = JSON.parse(readFileSync(file, 'utf8')) as SchemaNode;
        expect(beyond(ours(`${name}.json`), { node, resolve: parts })).toEqual([]);
      },
    );

    it('tells when ours goes beyond it', () => {
      const node: SchemaNode = { $ref: '#/definitions/io.k8s.api.core.v1.Container' };
      const mine = {
        type: 'object',
        properties: {
          imagee: { type: 'string' },
          tty: { type: 'string' },
          env: { type: 'array', items: { type: 'object', properties: {} } },
        },
      };
      const full = { node, resolve: resolverOf(swagger) };
      expect(beyond({ node: mine, resolve: (each) => each }, full)).toEqual([
        ': name may be left out',
        'imagee: no such field',
        'tty: string, not boolean',
        'env.[]: name may be left out',
      ]);
    });
  });
});

describe('a file', () => {
  const path = (name: string) => fileURLToPath(written(name));

  it('is read whole, all documents of it', async () => {
    expect(await closedSchema(path('kubernetes.yaml'), 'kubernetes')).toMatchObject({ ok: true });
    expect(await closedSchema(path('kubernetes.yaml'), 'compose')).toMatchObject({ ok: false });
    expect(await closedSchema(path('models.ini'), 'kubernetes')).toMatchObject({ ok: false });
    expect(await closedSchema(path('absent.yaml'), 'compose')).toMatchObject({
      findings: [expect.stringContaining('ENOENT')],
    });
  });
});
