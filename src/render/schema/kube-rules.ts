import { linkFindings } from './kube-links.ts';
import { ownFindings, podsOf, type KubeObject } from './kube-object-rules.ts';

/**
 * What is wrong with objects whose every field is known: what the API server refuses beyond its schema, and
 * what it takes although it leads nowhere, because the other object might still come. Here they are all in
 * one file; where it has none of a kind, those are somebody else's and nothing is said of them.
 */
export function ruleFindings(objects: readonly KubeObject[]): string[] {
  const names = objects.map(({ kind, metadata }) => `${kind} \`${metadata.name}\``);
  const again = names.filter((name, index) => names.indexOf(name) !== index);
  const spaces = new Set(objects.map(({ metadata }) => metadata.namespace));
  const pods = objects.flatMap(podsOf);
  return [
    ...[...new Set(again)].map((name) => `${name} is there twice`),
    ...(spaces.size > 1 ? ['the objects are not of one namespace'] : []),
    ...objects.flatMap((object) => {
      const said = [...ownFindings(object), ...linkFindings(object, objects, pods)];
      return said.map((line) => `${object.kind} \`${object.metadata.name}\`: ${line}`);
    }),
  ];
}
