import { isIP } from 'node:net';
import { MmdeployError, messageOf } from '../../errors.ts';

/** Whether only this machine can reach a server that listens on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** The base URL at which a client on this machine reaches it. */
export function localUrl(host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${port}`;
}

/** Why the gateway could not bind, and what to do about it. */
export function listenError(error: unknown, host: string, port: number): MmdeployError {
  const { code } = error as NodeJS.ErrnoException;
  const anyPort = 'take any free port: `mmdeploy serve … --port 0`';
  if (code === 'EADDRINUSE') {
    const message = `port ${port} on ${host} is already in use`;
    return new MmdeployError('usage.invalid', message, { hints: [anyPort], cause: error });
  }
  if (code === 'EACCES') {
    const message = `this user may not open port ${port} on ${host}`;
    return new MmdeployError('usage.invalid', message, { hints: [anyPort], cause: error });
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new MmdeployError('usage.invalid', `\`${host}\` is no address of this machine`, {
      hints: ['listen on this machine only: `mmdeploy serve … --host 127.0.0.1`'],
      cause: error,
    });
  }
  return new MmdeployError(
    'process.failed',
    `cannot listen on ${host}:${port}: ${messageOf(error)}`,
    { cause: error },
  );
}
