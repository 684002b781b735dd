import { Buffer } from 'node:buffer';
import { MmdeployError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { printable, shellWord } from './faults.ts';

type Finding = { readonly code: ErrorCode; readonly what: string; readonly hint: string };
type Recognise = (head: Buffer, size: number) => Finding | null;

const SHOWN_CHARACTERS = 120;

/**
 * Says what a file without the GGUF magic is: most are a page, a pointer or another format that was
 * saved under the name. Each kind has its own way out.
 */
export function notGguf(path: string, size: number, bytes: Uint8Array): MmdeployError {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const recognise of KINDS) {
    const finding = recognise(head, size);
    if (finding !== null) {
      const hint = `${finding.hint}, then \`mmdeploy plan ${shellWord(path)}\``;
      return new MmdeployError(finding.code, `${path}: ${finding.what} (byte 0)`, {
        hints: [hint],
      });
    }
  }
  const start = head.subarray(0, 4).toString('hex');
  return new MmdeployError(
    'gguf.invalid',
    `${path}: not a GGUF file: it starts with 0x${start}, not with "GGUF" (byte 0)`,
    { hints: ['give the path of a .gguf file: `mmdeploy plan MODEL.gguf`'] },
  );
}

const invalidAs = (what: string, hint: string): Finding => ({ code: 'gguf.invalid', what, hint });
const unsupportedAs = (what: string, hint: string): Finding => ({
  code: 'gguf.unsupported',
  what,
  hint,
});
const FETCH_GGUF = 'fetch a GGUF conversion of the model';
const FETCH_AGAIN = 'fetch the file again (a full disk or a broken download leaves this behind)';

const KINDS: readonly Recognise[] = [
  (head, size) => {
    if (size === 0) return { code: 'gguf.truncated', what: 'the file is empty', hint: FETCH_AGAIN };
    if (size < 4) {
      return { code: 'gguf.truncated', what: `only ${size} bytes are there`, hint: FETCH_AGAIN };
    }
    if (head.some((byte) => byte !== 0)) return null;
    const what = 'starts with zeros: its place was reserved, but the download never filled it';
    return { code: 'gguf.truncated', what, hint: FETCH_AGAIN };
  },
  (head) => {
    const text = head.toString('latin1');
    if (!text.startsWith('version https://git-lfs.github.com/spec/')) return null;
    const bytes = /^size (\d+)$/m.exec(text)?.[1];
    const real = bytes === undefined ? 'the model' : `the model of ${bytes} bytes`;
    return invalidAs(
      `a git-lfs pointer, not ${real}: the repository was cloned without git-lfs`,
      'run `git lfs install && git lfs pull` in that clone',
    );
  },
  (head) =>
    /^\ufeff?\s*<(!doctype html|html|head|script|!--)/i.test(head.toString('utf8'))
      ? invalidAs(
          'an HTML page saved under the name of a model: a login, error or file page',
          'download the file itself (on Hugging Face the link with /resolve/ in place of /blob/, with `HF_TOKEN` where the model is gated)',
        )
      : null,
  (head) => {
    const length = head.length >= 9 ? head.readBigUInt64LE(0) : 0n;
    return length >= 2n && length <= 100_000_000n && head[8] === 0x7b
      ? unsupportedAs(
          'a safetensors file, which llama.cpp does not read',
          `${FETCH_GGUF} or make one with llama.cpp's convert_hf_to_gguf.py`,
        )
      : null;
  },
  (head) =>
    ['lmgg', 'fmgg', 'tjgg', 'algg'].includes(head.toString('latin1', 0, 4))
      ? unsupportedAs('a GGML file from before GGUF, which llama.cpp no longer reads', FETCH_GGUF)
      : null,
  (head) =>
    head.toString('latin1', 0, 4) === 'PK\u0003\u0004'
      ? unsupportedAs(
          'a zip archive, as PyTorch checkpoints are',
          `${FETCH_GGUF}, or unpack the archive if one is inside`,
        )
      : null,
  (head) =>
    ['1f8b', '28b5', 'fd37', '425a'].includes(head.toString('hex', 0, 2))
      ? unsupportedAs('a compressed file', 'unpack it (gunzip, unzstd, unxz or bunzip2)')
      : null,
  (head) => {
    const text = head.toString('utf8');
    if (!/^[\t\n\r\u0020-\u007e\u00a0-\ufffc]+$/.test(text.replace(/\ufffd+$/, ''))) return null;
    const shown = printable(text.trim().slice(0, SHOWN_CHARACTERS));
    return invalidAs(
      `a text, not a model: it says "${shown}"`,
      'where that is an error message of the site, mend its cause and fetch the file again',
    );
  },
];
