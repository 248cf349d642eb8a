/** The administrator's token: kept for this tab alone. */
const KEY = 'drover.token';

/** The stored token; one in the address (`#token=…`) is taken over, and removed from the address at once. */
export function initialToken(): string | null {
  const match = /^#token=(.+)$/.exec(window.location.hash);
  if (match) {
    sessionStorage.setItem(KEY, decodeURIComponent(match[1]!));
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
  }
  return sessionStorage.getItem(KEY);
}

export function storeToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
}
