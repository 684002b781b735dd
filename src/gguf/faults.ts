import { MmdeployError } from '../errors.ts';

const SHOWN_CHARACTERS = 80;
// C0, DEL and C1: a hostile name must not reach the terminal as an escape sequence.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** A name from the file, quoted, shortened and free of control characters. */
export function quoted(name: string): string {
  const short = name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}…` : name;
  return `"${printable(short)}"`;
}

/** `text` with its control characters written as `\xNN`. */
export function printable(text: string): string {
  return text.replace(
    CONTROL,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** `path` as a POSIX shell reads it back, for commands in hints. */
export function shellWord(path: string): string {
  return /^[\w@%+=:,./~-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** The file contradicts itself or the format. */
export function invalid(file: string, offset: number, what: string): MmdeployError {
  return new MmdeployError('gguf.invalid', `${file}: ${what} (byte ${offset})`, {
    hints: [
      `the file is damaged or was written wrongly: fetch it again, then \`mmdeploy plan ${shellWord(file)}\``,
    ],
  });
}

/** The file is in order as far as we can tell, but neither we nor llama.cpp read it. */
export function unsupported(file: string, offset: number, what: string): MmdeployError {
  return new MmdeployError('gguf.unsupported', `${file}: ${what} (byte ${offset})`, {
    hints: [
      `convert it anew with llama.cpp's convert_hf_to_gguf.py, then \`mmdeploy plan ${shellWord(file)}\``,
    ],
  });
}

/** The file ends before what its own header promises. `needed` is a lower bound where `atLeast` is set. */
export function truncated(
  file: string,
  fault: {
    readonly offset: number;
    readonly size: number;
    readonly needed: number;
    readonly what: string;
    readonly atLeast: boolean;
  },
): MmdeployError {
  const [total, why] = fault.atLeast
    ? [`at least ${fault.needed}`, 'the download is incomplete or the header damaged']
    : [String(fault.needed), 'the download is incomplete'];
  return new MmdeployError(
    'gguf.truncated',
    `${file}: ${fault.size} of ${total} bytes are there: ${why} (${fault.what} at byte ${fault.offset} lies beyond the end)`,
    {
      hints: [
        `resume it with \`curl -L -C - -o ${shellWord(file)} URL\` or fetch it again, then \`mmdeploy plan ${shellWord(file)}\``,
      ],
    },
  );
}
