import type { z } from 'zod';
import { composeFile } from './compose.ts';
import { inferenceService, leaderWorkerSet, scaledObject } from './kube-operators.ts';
import {
  autoscaler,
  configMap,
  deployment,
  disruptionBudget,
  job,
  networkPolicy,
  service,
  volumeClaim,
} from './kubernetes.ts';
import type { KubeObject } from './kube-object-rules.ts';
import { ruleFindings } from './kube-rules.ts';
import { llamaSwapConfig } from './llama-swap.ts';

/** Kubernetes objects by `apiVersion` and `kind`. */
export const KINDS = {
  'apps/v1 Deployment': deployment,
  'v1 Service': service,
  'v1 PersistentVolumeClaim': volumeClaim,
  'v1 ConfigMap': configMap,
  'autoscaling/v2 HorizontalPodAutoscaler': autoscaler,
  'networking.k8s.io/v1 NetworkPolicy': networkPolicy,
  'policy/v1 PodDisruptionBudget': disruptionBudget,
  'batch/v1 Job': job,
  'keda.sh/v1alpha1 ScaledObject': scaledObject,
  'leaderworkerset.x-k8s.io/v1 LeaderWorkerSet': leaderWorkerSet,
  'serving.kserve.io/v1alpha2 LLMInferenceService': inferenceService,
} as const satisfies Record<string, z.ZodType>;

/** Whole documents that say nowhere what they are. */
export const DOCUMENTS = {
  compose: composeFile,
  'llama-swap': llamaSwapConfig,
} as const satisfies Record<string, z.ZodType>;

/** What is wrong with a document by its closed schema, a line each with the path; empty when nothing is. */
export function schemaFindings(schema: z.ZodType, document: unknown): string[] {
  const result = schema.safeParse(document);
  return result.success ? [] : result.error.issues.flatMap(lines);
}

type Issue = z.core.$ZodIssue;

function lines(issue: Issue): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${[...path, key].join('.')}: no such field`);
  }
  // The branch that goes deepest is the one that was meant.
  if (issue.code === 'invalid_union') {
    const depth = (issues: Issue[]) => Math.max(...issues.map((each) => each.path.length));
    const branch = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    const inner = branch.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
    if (inner.length > 0) return inner.flatMap(lines);
  }
  return [`${path.join('.') || 'the document'}: ${issue.message}`];
}

/** All objects of a file: each by its schema, then all by the rules that no schema holds. */
export function kubernetesFindings(documents: readonly unknown[]): string[] {
  const findings = documents.flatMap(objectFindings);
  // The rules are for objects whose fields are known.
  return findings.length > 0 ? findings : ruleFindings(documents as readonly KubeObject[]);
}

/** A Kubernetes object by the schema of its kind. */
export function objectFindings(document: unknown): string[] {
  const { apiVersion, kind } = (document ?? {}) as Record<string, unknown>;
  const name = `${String(apiVersion)} ${String(kind)}`;
  const schema: z.ZodType | undefined = (KINDS as Record<string, z.ZodType>)[name];
  if (schema === undefined) return [`${name}: no object of a kind that mmdeploy writes`];
  return schemaFindings(schema, document).map((line) => `${String(kind)} ${line}`);
}
