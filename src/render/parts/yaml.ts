import { Document } from 'yaml';
import type { Deployment } from '../types.ts';
import { headerLines } from './header.ts';
import { commentText } from './quote.ts';

/**
 * One or more documents under the head and the notes of this file, a line each. Readers of Kubernetes' kind
 * still take YAML 1.1, where `on`, `yes` and `8:30` are no strings: what either version would misread is quoted.
 */
export function yamlText(
  deployment: Deployment,
  documents: readonly object[],
  notes: readonly string[] = [],
): string {
  return documents
    .map((value, index) => {
      const document = new Document(value, { schema: 'yaml-1.1', aliasDuplicateObjects: false });
      if (index === 0)
        document.commentBefore = [...headerLines(deployment), ...notes.map(commentText)]
          .map((line) => ` ${line}`)
          .join('\n');
      const text = document.toString({ lineWidth: 0, directives: false });
      return index === 0 ? text : `---\n${text}`;
    })
    .join('');
}
