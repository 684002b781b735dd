/** Enough for the identifiers of tracing systems; longer or stranger ones are not repeated into a log. */
const SANE = /^[A-Za-z0-9._:-]{1,128}$/;

/** The client's `x-request-id` where it is one, else `fresh()`. */
export function requestIdOf(
  given: string | readonly string[] | undefined,
  fresh: () => string,
): string {
  return typeof given === 'string' && SANE.test(given) ? given : fresh();
}
