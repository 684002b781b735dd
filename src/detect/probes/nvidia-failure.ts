/** Why nvidia-smi failed, as far as its own words and exit code say, and what to do next. */
export type NvidiaFailure = {
  /** nvidia-smi's exit code; null when it had none (killed, or not started). */
  readonly code: number | null;
  /** Its own words: it writes them to stdout as often as to stderr. */
  readonly complaint: string;
  readonly timedOut: boolean;
};

// Exit codes: "RETURN VALUE" in nvidia-smi's manual page.
const REASONS: readonly { readonly when: RegExp; readonly code?: number; readonly next: string }[] =
  [
    {
      when: /driver\/library version mismatch/i,
      code: 18,
      next: 'the driver was updated under a running kernel module: reboot, then run `mmdeploy doctor`',
    },
    {
      when: /couldn't communicate with the NVIDIA driver/i,
      code: 9,
      next: 'the kernel module is not loaded: try `sudo modprobe nvidia`, and install the driver again after a kernel update',
    },
    {
      when: /no devices were found/i,
      code: 6,
      next: 'the driver runs but sees no GPU: in a container start it with `--gpus all`, in a VM pass the GPU through',
    },
    {
      when: /insufficient permissions/i,
      code: 4,
      next: 'allow this user to open `/dev/nvidia*` (`ls -l /dev/nvidia*`)',
    },
    {
      when: /unknown error/i,
      next: 'in a container the GPU was lost (systemd reload of cgroups): restart the container',
    },
    {
      when: /gpu is lost|fallen off the bus/i,
      code: 15,
      next: 'the GPU fell off the bus: see `sudo dmesg | grep -i xid`, then power-cycle the machine',
    },
  ];

/** One sentence for the person, ending in the next step. */
export function explainFailure({ code, complaint, timedOut }: NvidiaFailure): string {
  if (timedOut) {
    return (
      'nvidia-smi did not answer in time, so NVIDIA GPUs are not known: the driver hangs or is slow to ' +
      'start; try `sudo nvidia-smi -pm 1`, and see `sudo dmesg | grep -i -e xid -e nvrm`'
    );
  }
  const reason =
    REASONS.find(({ when }) => when.test(complaint)) ??
    REASONS.find((candidate) => candidate.code !== undefined && candidate.code === code);
  const said = code === null ? '' : ` (exit code ${code})`;
  const next = reason?.next ?? '`mmdeploy doctor --raw` shows all it printed';
  return `nvidia-smi failed${said}: ${complaint}: ${next}`;
}
