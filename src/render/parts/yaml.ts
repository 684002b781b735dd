import { Document } from 'yaml';
import type { Deployment } from '../types.ts';
import { headerLines } from './header.ts';

/**
 * One or more documents under the head. Readers of Kubernetes' kind still take YAML 1.1, where `on`, `yes`
 * and `8:30` are no strings: what either version would misread is quoted.
 */
export function yamlText(deployment: Deployment, documents: readonly object[]): string {
  return documents
    .map((value, index) => {
      const document = new Document(value, { schema: 'yaml-1.1', aliasDuplicateObjects: false });
      if (index === 0)
        document.commentBefore = headerLines(deployment)
          .map((line) => ` ${line}`)
          .join('\n');
      const text = document.toString({ lineWidth: 0, directives: false });
      return index === 0 ? text : `---\n${text}`;
    })
    .join('');
}
