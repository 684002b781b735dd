import { unitEntries } from './unit-file.ts';

const NAME = /^[\w./:@-]+$/;
const WHOLE = /^\d+$/;
const SWITCH = /^(true|false|yes|no)$/;
const DURATION = /^\d+(ms|s|m|h)$/;
const PATH = /^[./~]?[^:]+:\/[^:]*(:[\w,]+)?$/;
const ANY = /^.+$/s;

/**
 * Keys of `[Container]` that we write, with what podman takes for them (podman-systemd.unit(5) and
 * podman-run(1)). The generator hands most values on as they are: podman says what is wrong with them only
 * when the service starts.
 */
const VALUES: Readonly<Record<string, RegExp>> = {
  ContainerName: /^[a-zA-Z0-9][\w.-]*$/,
  Image: NAME,
  Entrypoint: ANY,
  Exec: ANY,
  Environment: /^\w+=/,
  PublishPort: /^(\[[\da-f:.]+\]|[\d.]+):\d+:\d+$/i,
  Volume: PATH,
  AddDevice: /^(nvidia\.com\/gpu=[\w:-]+|\/dev\/[\w/]+)$/,
  GroupAdd: /^(keep-groups|\d+)$/,
  ReadOnly: SWITCH,
  DropCapability: /^(all|[A-Z_]+)$/,
  NoNewPrivileges: SWITCH,
  ShmSize: /^\d+(b|k|m|g|kb|mb|gb)$/,
  Tmpfs: /^\//,
  HealthCmd: ANY,
  HealthInterval: DURATION,
  HealthTimeout: DURATION,
  HealthRetries: WHOLE,
  HealthStartPeriod: DURATION,
  Notify: /^(healthy|true|false)$/,
  StopTimeout: WHOLE,
};

/** Settings of a quadlet's container that podman would refuse at its start, a line each. */
export function quadletFindings(text: string): readonly string[] {
  return unitEntries(text)
    .filter(({ section }) => section === 'Container')
    .flatMap(({ key, value }) => {
      const pattern = VALUES[key];
      if (pattern === undefined) return [`${key}: no such key`];
      return pattern.test(value) ? [] : [`${key}=${value}: podman would not take it`];
    });
}
