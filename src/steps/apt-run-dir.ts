/**
 * Where apt keeps lists while a build runs. /run is memory: no list reaches a layer, and the steps of one boot share them.
 * Not below /run/kvci-build, which apt's download user may not enter.
 */
export const APT_RUN_DIR = "/run/kvci-apt";

/** With this as APT_CONFIG, apt works as the steps' own does. */
export const APT_CONF = `${APT_RUN_DIR}/apt.conf`;
