import { shellWord } from './quote.ts';

export type Program = {
  /** Variable that names another one. */
  readonly variable: string;
  readonly command: string;
  /** What to do where it is not on PATH. */
  readonly remedy: string;
};

/** Lines of a POSIX script that set `$program`, or end with exit code 5 where there is none. */
export function programCheck({ variable, command, remedy }: Program): string {
  return `program=\${${variable}:-${command}}
if ! command -v "$program" >/dev/null; then
  echo "$0: there is no program $program" >&2
  echo ${shellWord(`  get it: ${remedy}`)} >&2
  exit 5
fi
`;
}

/** Variables as a script exports them. */
export function exportLines(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${shellWord(value)}\n`)
    .join('');
}

/** The program takes the place of the script. */
export function execLines(args: readonly string[], first: readonly string[] = []): string {
  const lines = flagLines(args.map(shellWord), first);
  return ['exec "$program"', ...lines, '"$@"'].join(' \\\n  ');
}

/** Quoted words in lines, a flag with its values each, so that a change shows in a diff. */
export function flagLines(words: readonly string[], first: readonly string[] = []): string[] {
  const lines: string[] = [...first];
  for (const word of words) {
    if (word.startsWith('--') || lines.length === 0) lines.push(word);
    else lines.push(`${lines.pop() ?? ''} ${word}`);
  }
  return lines;
}
