export function setup(): void {
  // Replaced by the engine set-up.
}
