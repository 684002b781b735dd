/** Who and where must not appear in a bug report. */
export type Identity = {
  readonly users: readonly string[];
  readonly hosts: readonly string[];
  readonly homes: readonly string[];
};

const UUID = /\b((?:GPU|MIG)-)?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b/gi;
// `Serial Number: X`, `<serial>X</serial>`, `"asic_serial": "X"`, `"Unique ID": "X"`, `<pdi>X</pdi>`.
const SERIAL =
  /((?:serial|unique[ _]?id|provisioning_udid|\bpdi)[\w ()/-]*["']?\s*[:=>]\s*["']?)([^\s"'<,;]+)/gi;
const NO_SECRET = /^(?:n\/a|none|unknown|0+|0x0+|null)$/i;
/** Names that say nothing about anybody, and would be found everywhere. */
const COMMON = new Set(['root', 'user', 'localhost', 'admin']);

/**
 * A text without UUIDs, serial numbers, user names, host names and home folders. Equal UUIDs stay equal
 * and different ones different, so what was printed can still be parsed as a fixture.
 */
export function masker(identity: Identity): (text: string) => string {
  const uuids = new Map<string, string>();
  const maskUuid = (uuid: string) => {
    const key = uuid.toLowerCase();
    const known = uuids.get(key) ?? String(uuids.size + 1).padStart(12, '0');
    uuids.set(key, known);
    return `00000000-0000-0000-0000-${known}`;
  };
  const words = [
    ...wordsOf(identity.homes, '/home/USER'),
    ...wordsOf(identity.users, 'USER'),
    ...wordsOf(identity.hosts, 'HOST'),
  ];
  return (text) =>
    words.reduce(
      (masked, { pattern, by }) => masked.replace(pattern, by),
      text
        .replace(
          UUID,
          (_, kind: string | undefined, uuid: string) => `${kind ?? ''}${maskUuid(uuid)}`,
        )
        .replace(SERIAL, (whole, before: string, value: string) =>
          NO_SECRET.test(value) || value.startsWith('00000000-0000-') ? whole : `${before}MASKED`,
        ),
    );
}

function wordsOf(values: readonly string[], by: string) {
  return [...new Set(values)]
    .filter((value) => value.length > 1 && !COMMON.has(value.toLowerCase()))
    .sort((a, b) => b.length - a.length)
    .map((value) => {
      const literal = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return { pattern: new RegExp(`(?<![\\w-])${literal}(?![\\w-])`, 'gi'), by };
    });
}
