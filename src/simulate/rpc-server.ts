import { engineProgram } from '../engine/sibling.ts';

/** The `ggml-rpc-server` that came with a llama-server; null where the installation has none. */
export function rpcServerOf(llamaServer: string): string | null {
  return engineProgram(llamaServer, ['ggml-rpc-server', 'rpc-server'], process.platform);
}
