import type { Deployment } from '../types.ts';
import { headerComment } from './header.ts';
import { commentText } from './quote.ts';

/** One setting; a text alone is a comment for those that follow. */
export type Setting = readonly [key: string, value: string | number] | string;
export type Section = { readonly name: string; readonly settings: readonly Setting[] };

/** A unit file (systemd.syntax(7)), of systemd's own kind or of podman's, under the head. `needs`: more for it. */
export function unitText(
  deployment: Deployment,
  sections: readonly Section[],
  needs: readonly string[] = [],
): string {
  const parts = sections.map(({ name, settings }) => `[${name}]\n${settings.map(line).join('')}`);
  const head = [headerComment(deployment), ...needs.map(line)].join('');
  return `${head}\n${parts.join('\n')}`;
}

function line(setting: Setting): string {
  if (typeof setting === 'string') return `# ${commentText(setting)}\n`;
  const [key, value] = setting;
  return `${key}=${value}\n`;
}

/** Text for people: `%` would be a specifier, and a backslash at the end would join the next line. */
export function unitProse(text: string): string {
  return commentText(text).replaceAll('%', '%%').replace(/\\+$/, '');
}

/** Whether a setting that takes paths can name this one: there are no escapes for line breaks there. */
export function isUnitPath(path: string): boolean {
  return !/[\u0000-\u001f\u007f]/.test(path);
}

/** A path where the rest of the line is one: `AssertPathExists=`. */
export function unitPath(path: string): string {
  return path.replaceAll('%', '%%');
}

/** A path of a list that separates by blanks and colons: `BindReadOnlyPaths=`, `Volume=`. */
export function unitPathWord(path: string): string {
  const plain = unitPath(path);
  return /^[\w@%+=,./-]+$/.test(plain) ? plain : `"${plain.replace(/[\\"]/g, String.raw`\$&`)}"`;
}
