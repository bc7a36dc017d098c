/** Shipped variants that no test searches whole. */

/** Too many states for a test, and the deviations within which they are searched here. */
export const LARGE: Readonly<Record<string, number>> = {
  'rmp-churn default': 2,
  'rmp-host-write-race auto-share': 3,
  'rmp-host-write-race kill-guest': 3,
  'rmp-host-write-race map-lock-user': 3,
  'rmp-host-write-race panic-sigbus': 3,
};
