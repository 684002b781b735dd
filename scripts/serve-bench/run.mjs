// Runs a command to its end; its output, or an error that holds it.
import { execFile } from 'node:child_process';

export function run(file, args, { env = process.env, timeoutMs = 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const limits = { env, timeout: timeoutMs, maxBuffer: 64 * 2 ** 20, encoding: 'utf8' };
    execFile(file, args, limits, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(`${file} ${args.join(' ')}: ${error.message}\n${stderr}`));
    });
  });
}
