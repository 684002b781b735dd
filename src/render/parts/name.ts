const MOST_CHARACTERS = 40;

/**
 * `text` as a DNS label (RFC 1123), short enough to be extended by what Kubernetes appends to names of
 * pods. Model names hold dots, slashes and, in files, whatever a user typed.
 */
export function labelOf(text: string): string {
  const label = text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MOST_CHARACTERS)
    .replace(/^-+|-+$/g, '');
  // A Service has to begin with a letter (RFC 1035).
  return /^[a-z]/.test(label) ? label : `model${label === '' ? '' : '-'}${label}`;
}
