import { useCallback, useState } from 'react';
import { Pages } from './pages.js';
import { SignedIn } from './signed-in.js';
import { SignInPage } from './sign-in-page.js';
import { initialToken, storeToken } from './token.js';

/** Asks for the token first; the address stays as it is, so that deep links survive. */
const firstToken = initialToken();

export function App() {
  const [token, setToken] = useState(firstToken);
  const [why, setWhy] = useState<string>();
  const signOut = useCallback((reason?: string) => {
    storeToken(null);
    setWhy(reason);
    setToken(null);
  }, []);
  if (token === null)
    return (
      <SignInPage
        notice={why}
        onSignIn={(valid) => {
          storeToken(valid);
          setWhy(undefined);
          setToken(valid);
        }}
      />
    );
  return (
    <SignedIn key={token} token={token} onSignOut={signOut}>
      <Pages />
    </SignedIn>
  );
}
