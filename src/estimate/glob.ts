/** Shell patterns for the cases where no shell expanded them: `*`, `?`, `[a-z]` and `**`. */

const WILD = /[*?[]/;

export function isGlob(path: string): boolean {
  return WILD.test(path);
}

/** The folder above the first part with a wildcard; `.` where that is the first part. */
export function globBase(pattern: string): string {
  const parts = split(pattern);
  const fixed = parts.slice(0, parts.findIndex(isGlob));
  if (fixed.length === 0) return '.';
  return fixed.join('/') || '/';
}

/** How many folders below the base a match can lie. */
export function globDepth(pattern: string): number {
  const parts = split(pattern);
  if (parts.includes('**')) return Number.POSITIVE_INFINITY;
  return parts.length - 1 - parts.findIndex(isGlob);
}

/** Tells whether a path (as walked from `globBase`) matches; `**` stands for any depth of folders. */
export function globMatcher(pattern: string): (path: string) => boolean {
  const body = split(pattern)
    .filter((part, index) => part !== '.' || index > 0)
    .map((part) => (part === '**' ? '**' : partPattern(part)))
    .join('/')
    .replaceAll('**/', '(?:[^/]+/)*')
    .replaceAll('**', '.*');
  const whole = new RegExp(`^${body}$`);
  return (path) => whole.test(split(path).join('/'));
}

function split(path: string): string[] {
  return path.replaceAll('\\', '/').replace(/^\.\//, '').split('/');
}

function partPattern(part: string): string {
  return part.replace(
    /\[(!?)([^\]]+)\]|[*?]|[.+^${}()|[\]\\]/g,
    (found, not: string, set?: string) => {
      if (found === '*') return '[^/]*';
      if (found === '?') return '[^/]';
      if (set !== undefined) return `[${not === '!' ? '^' : ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
      return `\\${found}`;
    },
  );
}
