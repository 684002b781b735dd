import { parseAllDocuments } from 'yaml';

type Probe = {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
};

export type Container = {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly resources: {
    readonly limits: Readonly<Record<string, string>>;
    readonly requests: Readonly<Record<string, string>>;
  };
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
};

export type Pod = {
  readonly securityContext: { readonly runAsUser: number; readonly runAsNonRoot?: boolean };
  readonly initContainers?: readonly Container[];
  readonly containers: readonly [Container];
  readonly volumes: readonly {
    readonly name: string;
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
};

/** What tests look at of any object: those of other kinds lack it, and the test fails. */
export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: { readonly spec: Pod };
    readonly strategy: object;
    readonly accessModes: readonly string[];
    readonly maxUnavailable: number;
    readonly policyTypes: readonly string[];
    readonly ingress: readonly object[];
    readonly egress: readonly {
      readonly to?: readonly { readonly ipBlock: { readonly except: readonly string[] } }[];
    }[];
    readonly triggers: readonly [{ readonly metadata: Readonly<Record<string, string>> }];
  };
};

/** All objects of a file, by the rules of YAML 1.1 that Kubernetes reads. */
export function kubeObjects(text: string): KubeObject[] {
  return parseAllDocuments(text, { version: '1.1' }).map((each) => each.toJS() as KubeObject);
}

export function find(objects: readonly KubeObject[], kind: string): KubeObject {
  const found = objects.filter((each) => each.kind === kind);
  const [only] = found;
  if (only === undefined || found.length > 1) throw new Error(`${found.length} of kind ${kind}`);
  return only;
}

/**
 * A command's word as a container gets it, by the rules of the API ("command" of a container): `$(NAME)` is
 * replaced where the variable is defined, else left; `$$` is `$`.
 */
export function expanded(word: string, variables: Readonly<Record<string, string>>): string {
  let text = '';
  for (let at = 0; at < word.length; at++) {
    const next = word[at + 1];
    if (word[at] !== '$' || next === undefined) text += word.charAt(at);
    else if (next === '$') {
      text += '$';
      at += 1;
    } else if (next === '(') {
      const end = word.indexOf(')', at);
      const name = word.slice(at + 2, end === -1 ? undefined : end);
      const value = end === -1 ? undefined : variables[name];
      text += value ?? (end === -1 ? '$(' : `$(${name})`);
      at = end === -1 ? at + 1 : end;
    } else text += '$';
  }
  return text;
}
