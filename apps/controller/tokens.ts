/** Injection token of the Config. */
export const CONFIG = 'drover:config';
