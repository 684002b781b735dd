import { engineArgs } from './parts/argv.ts';
import { labels, planAnnotation } from './parts/kube-objects.ts';
import { literal, probes, vllmUser, type Probes } from './parts/pod.ts';
import { placement, resources } from './parts/pod-resources.ts';
import { shellWord } from './parts/quote.ts';
import { noImage, onlyVllm } from './parts/refusals.ts';
import { yamlText } from './parts/yaml.ts';
import type { Deployment, Refusal } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'kserve.yaml';
/** Where vLLM listens in KServe's container. */
const KSERVE_PORT = 8000;
const NOTES = [
  '',
  'For clusters with KServe 0.20 and what its LLMInferenceService needs: cert-manager, the Gateway API with',
  'its inference extension, LeaderWorkerSet. KServe fetches the model; it takes a token from the secret of',
  'its storage settings, where the model asks who you are.',
];

/** KServe: copies of vLLM behind llm-d's router, in one resource. */
export const kserve = defineTarget({
  id: 'kserve',
  title: 'KServe LLMInferenceService: copies of vLLM behind llm-d’s router',
  refuses: (deployment) => onlyVllm(deployment) ?? noImage(deployment) ?? notWhole(deployment),
  render: (deployment) => [
    {
      path: FILE,
      text: yamlText(deployment, [inference(deployment)], NOTES),
      reader: 'kubernetes',
    },
  ],
  start: ({ name, startSeconds }) => [
    `kubectl apply --filename ${FILE}`,
    `kubectl wait llminferenceservice/${name} --for=condition=Ready --timeout=${startSeconds}s`,
    `kubectl get llminferenceservice ${name}`,
  ],
});

/** One pod is one copy here, and KServe fetches it from the Hub. */
function notWhole({ scale, plan }: Deployment): Refusal | null {
  if (scale.nodes > 1) {
    const reason = `a copy of the model needs ${scale.nodes} machines`;
    return { reason, instead: ['lws'] };
  }
  if (repository(plan) !== null) return null;
  return {
    reason: 'KServe fetches the model itself, and this one is a folder of one machine',
    instead: ['vllm', 'compose'],
  };
}

function repository({ files }: Deployment['plan']): string | null {
  return /^hf:(.+)$/.exec(files.model?.source ?? '')?.[1] ?? null;
}

function inference(deployment: Deployment): object {
  const { name, plan, scale, images } = deployment;
  const model = repository(plan) ?? '';
  const { startupProbe, livenessProbe } = probes(deployment);
  return {
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceService',
    metadata: { name, labels: labels(deployment), annotations: planAnnotation(deployment) },
    spec: {
      model: { uri: `hf://${model}`, name: model },
      replicas: scale.replicas,
      parallelism: { tensor: scale.tensor },
      router: { scheduler: {}, route: {}, gateway: {} },
      template: {
        ...placement(deployment),
        containers: [
          {
            name: 'main',
            image: images.engine,
            env: [{ name: 'VLLM_ADDITIONAL_ARGS', value: additionalArgs(deployment) }],
            resources: resources(deployment),
            startupProbe: patience(startupProbe),
            livenessProbe: patience(livenessProbe),
            // KServe's own container has `runAsNonRoot: true`.
            securityContext: vllmUser(deployment),
          },
        ],
      },
    },
  };
}

/** Merged into KServe's own probe: by which scheme it asks stays as it is there. */
function patience({ periodSeconds, failureThreshold }: Probes['startupProbe']): object {
  return { httpGet: { path: '/health', port: KSERVE_PORT }, periodSeconds, failureThreshold };
}

/**
 * The engine's arguments after `serve MODEL`. KServe's container runs them through the shell's `eval`
 * (config/llmisvcconfig/config-llm-template.yaml): each is quoted for it. Where vLLM listens and what it
 * calls the model is KServe's. Its own templates begin with `{{`, which no word may hold.
 */
export function additionalArgs(deployment: Deployment): string {
  const place = { folderOf: () => '', host: 'HOST', port: 0 };
  const [, , ...flags] = engineArgs(deployment, place);
  const words = flags.filter((_, at) => !isPlace(flags[at]) && !isPlace(flags[at - 1]));
  return literal(words.map((word) => untemplated(shellWord(word))).join(' '));
}

function isPlace(word: string | undefined): boolean {
  return word === '--host' || word === '--port';
}

/** Two strings side by side are one word. */
function untemplated(quoted: string): string {
  return quoted.replace(/\{(?=\{)/g, "{''");
}
